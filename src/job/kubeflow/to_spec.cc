#include <algorithm>
#include <cctype>

#include "job/kubeflow/model.h"

namespace regatta::job {
namespace {

constexpr char kHostFile[] = "hostfile";                // Open MPI's
constexpr char kHydraHostFile[] = "hostfile.hydra";     // MPICH's and Intel's
constexpr char kDiscoverHosts[] = "discover_hosts.sh";  // elastic Horovod's
constexpr char kOlderPaddle[] = "batch.paddlepaddle.org/v1";

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

Framework FrameworkOf(TrainingKind kind) {
  switch (kind) {
    case TrainingKind::kPyTorch:
      return Framework::kPyTorch;
    case TrainingKind::kTensorFlow:
      return Framework::kTensorFlow;
    case TrainingKind::kPaddle:
      return Framework::kPaddle;
    case TrainingKind::kMpi:
      break;
  }
  return Framework::kPlain;
}

// Whose success is the job's (empty: everybody's).
std::vector<int> DecidingRanks(const TrainingJob& job) {
  if (job.api_version == kOlderPaddle) return {};
  std::vector<int> masters;  // Kubeflow's PaddleJob may have several
  std::vector<int> workers;
  bool others = false;
  int rank = 0;
  for (const ReplicaSpec& replica : job.replicas) {
    for (int i = 0; i < replica.replicas; ++i, ++rank) {
      if (job.kind == TrainingKind::kPaddle && replica.type == "Master") {
        masters.push_back(rank);
        continue;
      }
      if (replica.type == "Worker") {
        workers.push_back(rank);
        continue;
      }
      others = true;
      const bool chief = replica.type == "Chief" || replica.type == "Master";
      const bool leads =
          job.kind == TrainingKind::kPyTorch || job.kind == TrainingKind::kTensorFlow;
      if (chief && leads) return {rank};
    }
  }
  if (!masters.empty()) return masters;
  if (workers.empty()) return {};
  // Parameter servers and evaluators go on for ever.
  if (job.kind == TrainingKind::kTensorFlow && !job.all_workers_decide) return {workers[0]};
  return others ? workers : std::vector<int>();
}

// The launcher starts the workers' processes itself, with mpirun, so they are part of what it
// needs.
void AddMpi(JobSpec* spec) {
  Role launcher = spec->roles[0];
  for (std::size_t i = 1; i < spec->roles.size(); ++i) {
    const Role& workers = spec->roles[i];
    launcher.resources.cpus += workers.resources.cpus * workers.replicas;
    launcher.resources.memory_bytes += workers.resources.memory_bytes * workers.replicas;
  }
  // A limit for the launcher alone would be one for all.
  const bool limited = std::ranges::all_of(
      spec->roles, [](const Role& role) { return role.resources.memory_bytes > 0; });
  if (!limited) launcher.resources.memory_bytes = 0;
  const std::string hosts = spec->directory + "/" + kHostFile;
  const std::string hydra_hosts = spec->directory + "/" + kHydraHostFile;
  launcher.env.insert({{"K_MPI_JOB_ROLE", "launcher"},
                       {"OMPI_MCA_orte_default_hostfile", hosts},
                       {"PRTE_MCA_prte_default_hostfile", hosts},
                       {"HYDRA_HOST_FILE", hydra_hosts},
                       {"I_MPI_HYDRA_HOST_FILE", hydra_hosts},
                       {"OMPI_MCA_rmaps_base_oversubscribe", "1"},
                       {"OMPI_ALLOW_RUN_AS_ROOT", "1"},
                       {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"}});
  spec->roles = {std::move(launcher)};
  // Where the operator puts them.
  spec->folders.push_back({hosts, "/etc/mpi/hostfile", true});
  spec->folders.push_back(
      {spec->directory + "/" + kDiscoverHosts, "/etc/mpi/discover_hosts.sh", true});
}

}  // namespace

std::vector<MpiFile> MpiFiles(const TrainingJob& job) {
  if (job.kind != TrainingKind::kMpi) return {};
  int workers = job.launcher_is_worker ? 1 : 0;
  for (const ReplicaSpec& replica : job.replicas) {
    if (replica.type == "Worker") workers += replica.replicas;
  }
  const std::string slots = std::to_string(std::max(1, workers) * job.slots_per_worker);
  return {{kHostFile, "localhost slots=" + slots + "\n"},
          {kHydraHostFile, "localhost:" + slots + "\n"},
          {kDiscoverHosts, "#!/bin/sh\necho localhost:" + slots + "\n", 0755}};
}

JobSpec ToJobSpec(const TrainingJob& job, const std::string& id, const std::string& directory) {
  JobSpec spec;
  spec.id = id;
  spec.name = job.name;
  spec.framework = FrameworkOf(job.kind);
  spec.directory = directory;
  bool replica_has_grace = false;
  for (const ReplicaSpec& replica : job.replicas) {
    Role role;
    role.name = Lower(replica.type);
    role.replicas = replica.replicas;
    role.argv = replica.argv;
    role.expand_references = true;
    std::size_t room = kMostExpanded;
    for (const auto& [name, value] : replica.env) {
      std::string expanded = ExpandReferences(value, role.env, room);
      room -= std::min(room, expanded.size());
      role.env[name] = std::move(expanded);
    }
    role.resources = replica.resources;
    role.image = replica.image;
    role.image_entry_point = replica.image_entry_point;
    role.image_directory = true;
    role.working_directory = replica.working_directory;
    if (replica.grace) {
      const std::chrono::milliseconds grace = *replica.grace;
      spec.grace = replica_has_grace ? std::max(spec.grace, grace) : grace;
      replica_has_grace = true;
    }
    role.restart = replica.restart;
    spec.roles.push_back(std::move(role));
  }
  for (const auto& [name, value] : job.elastic_env) spec.env[name] = value;
  if (!job.nproc_per_node.empty()) spec.env["PET_NPROC_PER_NODE"] = job.nproc_per_node;
  spec.restart_limit = job.backoff_limit;
  spec.stop_rest =
      job.clean_pods == CleanPodPolicy::kRunning || job.clean_pods == CleanPodPolicy::kAll;
  if (job.active_deadline) spec.timeout = *job.active_deadline;
  if (job.kind == TrainingKind::kMpi) {
    AddMpi(&spec);
  } else {
    spec.deciding_ranks = DecidingRanks(job);
  }
  return spec;
}

}  // namespace regatta::job

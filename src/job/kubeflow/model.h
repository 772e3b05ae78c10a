#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "job/job.h"
#include "job/yaml/problem.h"

namespace regatta::job {

// A training job as Kubeflow's operator defines it (kubeflow.org/v1, MPIJob also v2beta1, and the
// older operator's batch.paddlepaddle.org/v1), as far as it means something on one machine.
enum class TrainingKind { kPyTorch, kTensorFlow, kPaddle, kMpi };

// "PyTorchJob", "TFJob", "PaddleJob", "MPIJob".
std::string_view KindName(TrainingKind kind);

// What becomes of replicas that still run when the job is over. Logs stay in any case. The last two
// are the older operator's.
enum class CleanPodPolicy { kNone, kRunning, kAll, kOnFailure, kOnSuccess };

struct ReplicaSpec {
  std::string type;  // as Kubeflow writes it: "Master", "Worker", "PS", "Launcher"
  int replicas = 1;
  RestartPolicy restart = RestartPolicy::kNever;
  std::string image;
  std::vector<std::string> argv;   // command and args; $(NAME) is not replaced yet
  bool image_entry_point = false;  // there is no command: argv are arguments of the image's
  std::string working_directory;   // absolute; empty: the image's, or the folder of the file
  std::vector<std::pair<std::string, std::string>> env;
  Resources resources;
  std::optional<std::chrono::seconds> grace;  // between SIGTERM and SIGKILL
};

struct TrainingJob {
  TrainingKind kind = TrainingKind::kPyTorch;
  std::string api_version;
  std::string name;
  std::string name_space = "default";  // of no use here but as a value that a variable asks for
  std::vector<ReplicaSpec> replicas;   // in the order of their ranks
  CleanPodPolicy clean_pods = CleanPodPolicy::kNone;
  std::optional<std::chrono::seconds> time_to_live;  // after it finished
  std::optional<std::chrono::seconds> active_deadline;
  std::optional<int> backoff_limit;
  bool suspend = false;
  bool all_workers_decide = false;  // TFJob's successPolicy AllWorkers
  // PyTorchJob with an elasticPolicy and no master: it has succeeded as soon as one worker has.
  bool any_worker_decides = false;
  std::string nproc_per_node;       // PyTorchJob: a number, "auto", "cpu", "gpu"; empty: not said
  int slots_per_worker = 1;         // MPIJob
  bool launcher_is_worker = false;  // MPIJob
  // PyTorchJob's elasticPolicy as torchrun reads it: PET_RDZV_BACKEND, PET_MAX_RESTARTS, ...
  std::vector<std::pair<std::string, std::string>> elastic_env;
  // What the file says and one machine has no use for, with its place.
  std::vector<std::string> warnings;
};

// kInvalidArgument for anything that is not such a job; `problems` (may be null) has all of them.
absl::StatusOr<TrainingJob> ParseTrainingJob(std::string_view yaml, const std::string& file,
                                             std::vector<Problem>* problems);

// "500m", "2", "0.5" as CPUs; "1Gi", "512M", "1e9" as bytes. nullopt when it is neither.
std::optional<double> ParseQuantity(std::string_view text);

// The kernel starts nothing with that much, all arguments and variables together.
inline constexpr std::size_t kMostExpanded = 8u << 20;

// "--port=$(PORT)" with the value of PORT. As Kubernetes does it: "$$" stands for "$", and a
// reference to a name that is not known stays as it is. So does the rest once the result has `most`
// bytes: variables that name each other twice grow without end otherwise.
std::string ExpandReferences(std::string_view text, const std::map<std::string, std::string>& env,
                             std::size_t most = kMostExpanded);

// The same job for an executor, in `directory` (absolute). Makes nothing.
JobSpec ToJobSpec(const TrainingJob& job, const std::string& id, const std::string& directory);

// What MPI's launcher reads instead of the workers' addresses, by name of the file in the job's
// folder; none for other kinds.
struct MpiFile {
  std::string name;
  std::string content;
  int mode = 0644;
};
std::vector<MpiFile> MpiFiles(const TrainingJob& job);

}  // namespace regatta::job

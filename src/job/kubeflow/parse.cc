#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "job/kubeflow/model.h"
#include "job/yaml/map_reader.h"
#include "job/yaml/text.h"

namespace regatta::job {
namespace {

using Names = std::vector<std::string>;

// One kind's names.
struct Kind {
  TrainingKind kind;
  const char* replica_specs;
  Names types;            // in the order of their ranks
  std::string container;  // whose command counts; empty: the first one's
  RestartPolicy restart;  // where the file says nothing
};

const Kind& KindOf(TrainingKind kind) {
  static const auto& kinds =
      *new std::array<Kind, 4>{Kind{TrainingKind::kPyTorch,
                                    "pytorchReplicaSpecs",
                                    {"Master", "Worker"},
                                    "pytorch",
                                    RestartPolicy::kOnFailure},
                               Kind{TrainingKind::kTensorFlow,
                                    "tfReplicaSpecs",
                                    {"Chief", "Master", "Worker", "PS", "Evaluator"},
                                    "tensorflow",
                                    RestartPolicy::kNever},
                               Kind{TrainingKind::kPaddle,
                                    "paddleReplicaSpecs",
                                    {"Master", "Worker"},
                                    "paddle",
                                    RestartPolicy::kOnFailure},
                               Kind{TrainingKind::kMpi,
                                    "mpiReplicaSpecs",
                                    {"Launcher", "Worker"},
                                    "",
                                    RestartPolicy::kNever}};
  return kinds[static_cast<std::size_t>(kind)];
}

// What Kubernetes knows in these places and one machine has no use for.
const Names kIgnoredOfPod = {"activeDeadlineSeconds",
                             "affinity",
                             "automountServiceAccountToken",
                             "dnsConfig",
                             "dnsPolicy",
                             "enableServiceLinks",
                             "hostAliases",
                             "hostIPC",
                             "hostNetwork",
                             "hostPID",
                             "hostname",
                             "imagePullSecrets",
                             "nodeName",
                             "nodeSelector",
                             "preemptionPolicy",
                             "priority",
                             "priorityClassName",
                             "runtimeClassName",
                             "schedulerName",
                             "securityContext",
                             "serviceAccount",
                             "serviceAccountName",
                             "shareProcessNamespace",
                             "subdomain",
                             "terminationGracePeriodSeconds",
                             "tolerations",
                             "topologySpreadConstraints",
                             "volumes"};
const Names kIgnoredOfContainer = {"imagePullPolicy",
                                   "lifecycle",
                                   "livenessProbe",
                                   "readinessProbe",
                                   "securityContext",
                                   "startupProbe",
                                   "stdin",
                                   "terminationMessagePath",
                                   "terminationMessagePolicy",
                                   "tty",
                                   "volumeDevices",
                                   "volumeMounts",
                                   "workingDir"};

Names Together(Names names, const Names& more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool IsDnsLabel(const std::string& name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && plain(name.front()) && plain(name.back()) &&
         std::ranges::all_of(name, [&](char c) { return plain(c) || c == '-'; });
}

class Parser {
 public:
  Parser(const std::string& file, std::vector<Problem>* problems)
      : file_(file), context_(file, false, problems) {}

  TrainingJob Parse(const YamlNode& tree) {
    const MapReader root(tree, "job", "", {"apiVersion", "kind", "metadata", "spec", "status"},
                         &context_);
    if (!tree.is_map() || !ReadKind(tree, root)) return job_;
    ReadMetadata(tree, root);
    const YamlNode* spec = root.Find("spec");
    if (spec == nullptr) {
      context_.Add(tree, "spec", "is missing: it says what to run");
    } else if (older_) {
      ReadOlderPaddle(*spec);
    } else {
      ReadSpec(*spec);
    }
    if (spec != nullptr && job_.replicas.empty() && context_.count() == 0) {
      context_.Add(*spec, "spec", "has no replicas: nothing would run");
    }
    return job_;
  }

 private:
  void Ignored(const MapReader& reader, const Names& names, const std::string& why = "") {
    for (const std::string& name : names) {
      if (const YamlNode::Member* member = reader.FindMember(name)) {
        job_.warnings.push_back(Cat(file_, ":", std::to_string(member->line), ": ",
                                    reader.PathOf(name), " is ignored on one machine", why));
      }
    }
  }

  bool ReadKind(const YamlNode& tree, const MapReader& root) {
    const std::string kind = root.Text("kind");
    job_.api_version = root.Text("apiVersion");
    for (const TrainingKind each : {TrainingKind::kPyTorch, TrainingKind::kTensorFlow,
                                    TrainingKind::kPaddle, TrainingKind::kMpi}) {
      if (kind == KindName(each)) {
        job_.kind = each;
        older_ = kind == "PaddleJob" && job_.api_version == "batch.paddlepaddle.org/v1";
        const bool mpi2 = kind == "MPIJob" && job_.api_version == "kubeflow.org/v2beta1";
        if (older_ || mpi2 || job_.api_version == "kubeflow.org/v1") return true;
        const YamlNode* place = root.Find("apiVersion");
        context_.Add(place == nullptr ? tree : *place, "apiVersion",
                     Cat("of a ", kind, " must be kubeflow.org/v1",
                         kind == "PaddleJob" ? " or batch.paddlepaddle.org/v1"
                         : kind == "MPIJob"  ? " or kubeflow.org/v2beta1"
                                             : "",
                         ", not ", Quoted(job_.api_version)));
        return false;
      }
    }
    const YamlNode* place = root.Find("kind");
    const Names known = {"PyTorchJob", "TFJob", "PaddleJob", "MPIJob"};
    context_.Add(place == nullptr ? tree : *place, "kind",
                 Cat("must be PyTorchJob, TFJob, PaddleJob or MPIJob, not ", Quoted(kind),
                     context_.Hint(kind, known)));
    return false;
  }

  void ReadMetadata(const YamlNode& tree, const MapReader& root) {
    const YamlNode* node = root.Find("metadata");
    if (node == nullptr) {
      context_.Add(tree, "metadata", "is missing: the job needs a name");
      return;
    }
    const MapReader metadata(*node, "metadata", "metadata",
                             {"name", "generateName", "namespace", "labels", "annotations",
                              "finalizers", "ownerReferences", "uid", "resourceVersion",
                              "creationTimestamp", "generation", "managedFields"},
                             &context_);
    job_.name = metadata.Text("name");
    if (job_.name.empty()) {
      job_.name = metadata.Text("generateName");
      while (job_.name.ends_with('-')) job_.name.pop_back();
    }
    if (!IsDnsLabel(job_.name)) {
      const YamlNode* name = metadata.Find("name");
      context_.Add(
          name == nullptr ? *node : *name, "metadata.name",
          Cat("must be 1 to 63 small letters, digits and hyphens, not ", Quoted(job_.name)));
    }
  }

  void ReadSpec(const YamlNode& node) {
    spec_ = &node;
    const Kind& kind = KindOf(job_.kind);
    Names known = {kind.replica_specs, "runPolicy"};
    switch (job_.kind) {
      case TrainingKind::kPyTorch:
        known = Together(known, {"elasticPolicy", "nprocPerNode"});
        break;
      case TrainingKind::kTensorFlow:
        known = Together(known, {"successPolicy", "enableDynamicWorker"});
        break;
      case TrainingKind::kPaddle:
        known.emplace_back("elasticPolicy");
        break;
      case TrainingKind::kMpi:
        known = Together(known,
                         {"slotsPerWorker", "cleanPodPolicy", "mainContainer", "sshAuthMountPath",
                          "launcherCreationPolicy", "mpiImplementation", "runLauncherAsWorker"});
        break;
    }
    const MapReader spec(node, std::string(KindName(job_.kind)), "spec", known, &context_);
    ReadRunPolicy(spec);
    if (job_.kind == TrainingKind::kMpi) {
      job_.slots_per_worker = static_cast<int>(Number(spec, "slotsPerWorker", 1, 1024).value_or(1));
      ReadCleanPods(spec, "cleanPodPolicy");
      Ignored(spec, {"mainContainer", "sshAuthMountPath", "launcherCreationPolicy",
                     "mpiImplementation", "runLauncherAsWorker"});
    }
    if (job_.kind == TrainingKind::kTensorFlow) {
      const std::string policy = spec.Text("successPolicy");
      job_.all_workers_decide = policy == "AllWorkers";
      if (!policy.empty() && policy != "AllWorkers") {
        context_.Add(*spec.Find("successPolicy"), "spec.successPolicy",
                     Cat("must be \"\" or AllWorkers, not ", Quoted(policy)));
      }
      Ignored(spec, {"enableDynamicWorker"});
    }
    if (job_.kind == TrainingKind::kPyTorch) ReadNprocPerNode(spec);
    ReadElastic(spec);
    ReadReplicas(spec, kind);
  }

  std::optional<std::int64_t> Number(const MapReader& reader, const char* key, std::int64_t least,
                                     std::int64_t most) {
    const YamlNode* node = reader.Find(key);
    if (node == nullptr) return std::nullopt;
    const std::int64_t number = reader.Integer(key, least);
    if (number < least || number > most) {
      context_.Add(*node, reader.PathOf(key),
                   Cat("must be from ", std::to_string(least), " to ", std::to_string(most),
                       ", not ", std::to_string(number)));
      return std::nullopt;
    }
    return number;
  }

  void ReadNprocPerNode(const MapReader& spec) {
    const YamlNode* node = spec.Find("nprocPerNode");
    if (node == nullptr) return;
    // A text in Kubeflow: "2", "auto", "cpu", "gpu".
    const auto number = ParseQuantity(node->scalar);
    if (!node->is_scalar() || !number || *number < 1 || *number > 1024 ||
        *number != static_cast<int>(*number)) {
      context_.Add(*node, "spec.nprocPerNode",
                   Cat("must be a number of processes, not ", node->Describe()));
      return;
    }
    job_.nproc_per_node = static_cast<int>(*number);
  }

  void ReadCleanPods(const MapReader& reader, const char* key) {
    const YamlNode* node = reader.Find(key);
    if (node == nullptr) return;
    const std::string policy = reader.Text(key);
    if (policy == "None") {
      job_.clean_pods = CleanPodPolicy::kNone;
    } else if (policy == "All") {
      job_.clean_pods = CleanPodPolicy::kAll;
    } else if (policy == "Running") {
      job_.clean_pods = CleanPodPolicy::kRunning;
    } else {
      context_.Add(*node, reader.PathOf(key),
                   Cat("must be None, Running or All, not ", Quoted(node->scalar)));
    }
  }

  void ReadRunPolicy(const MapReader& spec) {
    const YamlNode* node = spec.Find("runPolicy");
    if (node == nullptr) return;
    const MapReader policy(*node, "runPolicy", "spec.runPolicy",
                           {"cleanPodPolicy", "ttlSecondsAfterFinished", "activeDeadlineSeconds",
                            "backoffLimit", "suspend", "schedulingPolicy", "managedBy"},
                           &context_);
    ReadCleanPods(policy, "cleanPodPolicy");
    constexpr std::int64_t kLongest = 100LL * 365 * 24 * 3600;
    if (const auto ttl = Number(policy, "ttlSecondsAfterFinished", 0, kLongest)) {
      job_.time_to_live = std::chrono::seconds(*ttl);
    }
    if (const auto deadline = Number(policy, "activeDeadlineSeconds", 1, kLongest)) {
      job_.active_deadline = std::chrono::seconds(*deadline);
    }
    if (const auto limit = Number(policy, "backoffLimit", 0, 1'000'000)) {
      job_.backoff_limit = static_cast<int>(*limit);
    }
    job_.suspend = policy.Bool("suspend", false);
    Ignored(policy, {"schedulingPolicy"}, ": all replicas start together here");
    Ignored(policy, {"managedBy"});
  }

  // The number of replicas stays as it is here; what is left is how torchrun finds its peers.
  void ReadElastic(const MapReader& spec) {
    const YamlNode* node = spec.Find("elasticPolicy");
    if (node == nullptr) return;
    const MapReader policy(
        *node, "elasticPolicy", "spec.elasticPolicy",
        {"minReplicas", "maxReplicas", "rdzvBackend", "rdzvHost", "rdzvPort", "rdzvId", "rdzvConf",
         "standalone", "nProcPerNode", "maxRestarts", "metrics"},
        &context_);
    const auto least = Number(policy, "minReplicas", 1, 10'000);
    const auto most = Number(policy, "maxReplicas", 1, 10'000);
    if (least && most && *least > *most) {
      context_.Add(*policy.Find("minReplicas"), "spec.elasticPolicy.minReplicas",
                   Cat("is more than maxReplicas (", std::to_string(*most), ")"));
    }
    Ignored(policy, {"minReplicas", "maxReplicas"}, ": the replicas of the file run");
    Ignored(policy, {"rdzvHost", "rdzvPort"}, ": the ranks meet at 127.0.0.1");
    Ignored(policy, {"rdzvConf", "metrics"});
    if (const auto restarts = Number(policy, "maxRestarts", 0, 1'000'000)) {
      job_.elastic_env.emplace_back("PET_MAX_RESTARTS", std::to_string(*restarts));
    }
    if (job_.kind != TrainingKind::kPyTorch) return;
    if (const auto processes = Number(policy, "nProcPerNode", 1, 1024)) {
      job_.nproc_per_node = static_cast<int>(*processes);
    }
    const std::string backend = policy.Text("rdzvBackend", "c10d");
    if (backend != "c10d") {
      context_.Add(*policy.Find("rdzvBackend"), "spec.elasticPolicy.rdzvBackend",
                   Cat("must be c10d here (no etcd runs on this machine), not ", Quoted(backend)));
    }
    job_.elastic_env.emplace_back("PET_RDZV_BACKEND", "c10d");
    job_.elastic_env.emplace_back("PET_RDZV_ENDPOINT", "$(MASTER_ADDR):$(MASTER_PORT)");
    job_.elastic_env.emplace_back("PET_RDZV_ID", policy.Text("rdzvId", job_.name));
    if (policy.Bool("standalone", false)) job_.elastic_env.emplace_back("PET_STANDALONE", "1");
  }

  void ReadReplicas(const MapReader& spec, const Kind& kind) {
    const YamlNode* node = spec.Find(kind.replica_specs);
    const std::string path = spec.PathOf(kind.replica_specs);
    if (node == nullptr || !node->is_map()) {
      context_.Add(node == nullptr ? *spec_ : *node, path,
                   "must be a map of replica types to what they run");
      return;
    }
    std::set<std::string> seen;
    std::vector<std::pair<std::size_t, ReplicaSpec>> found;
    for (const YamlNode::Member& member : node->members) {
      const auto same = [&member](const std::string& type) {
        return Lower(type) == Lower(member.key);
      };
      const auto type = std::ranges::find_if(kind.types, same);
      if (type == kind.types.end()) {
        context_.Add(context_.At(member), JoinDots(path, member.key),
                     Cat("is no replica type of a ", KindName(kind.kind),
                         context_.Hint(member.key, kind.types)));
        continue;
      }
      if (!seen.insert(*type).second) {
        context_.Add(context_.At(member), JoinDots(path, member.key), "stands here twice");
        continue;
      }
      found.emplace_back(type - kind.types.begin(),
                         ReadReplica(member.value, *type, JoinDots(path, member.key), kind));
    }
    std::ranges::sort(found, {}, [](const auto& each) { return each.first; });
    for (auto& [at, replica] : found) {
      const bool single = replica.type == "Chief" || replica.type == "Launcher" ||
                          (replica.type == "Master" && kind.kind != TrainingKind::kPaddle);
      if (single && replica.replicas > 1) {
        context_.Add(*node, JoinDots(path, replica.type) + ".replicas", "must be 0 or 1");
      }
      if (replica.replicas > 0) job_.replicas.push_back(std::move(replica));
    }
    if (kind.kind == TrainingKind::kMpi &&
        (job_.replicas.empty() || job_.replicas[0].type != "Launcher")) {
      context_.Add(*node, JoinDots(path, "Launcher"), "is missing: it runs mpirun");
    }
  }

  ReplicaSpec ReadReplica(const YamlNode& node, const std::string& type, const std::string& path,
                          const Kind& kind) {
    ReplicaSpec replica;
    replica.type = type;
    replica.restart = kind.restart;
    Names known = {"replicas", "template", older_ ? "requests" : "restartPolicy"};
    if (older_) known.emplace_back("limits");
    const MapReader reader(node, "replica spec", path, known, &context_);
    replica.replicas = static_cast<int>(Number(reader, "replicas", 0, 10'000).value_or(1));
    if (!older_) ReadRestart(reader, true, &replica.restart);
    if (older_) Ignored(reader, {"requests", "limits"});
    const YamlNode* pod_template = reader.Find("template");
    if (pod_template == nullptr) {
      context_.Add(node, path + ".template", "is missing: it has the container to run");
      return replica;
    }
    const MapReader outer(*pod_template, "template", path + ".template", {"metadata", "spec"},
                          &context_);
    const YamlNode* pod = outer.Find("spec");
    if (pod == nullptr) {
      context_.Add(*pod_template, path + ".template.spec", "is missing: it has the container");
      return replica;
    }
    ReadPod(*pod, path + ".template.spec", kind, &replica);
    return replica;
  }

  void ReadRestart(const MapReader& reader, bool exit_code, RestartPolicy* restart) {
    const std::string policy = reader.Text("restartPolicy");
    if (policy.empty()) return;
    if (policy == "Never") {
      *restart = RestartPolicy::kNever;
    } else if (policy == "OnFailure") {
      *restart = RestartPolicy::kOnFailure;
    } else if (policy == "Always") {
      *restart = RestartPolicy::kAlways;
    } else if (policy == "ExitCode" && exit_code) {
      *restart = RestartPolicy::kExitCode;
    } else {
      context_.Add(*reader.Find("restartPolicy"), reader.PathOf("restartPolicy"),
                   Cat("must be Always, OnFailure, Never", exit_code ? " or ExitCode" : "",
                       ", not ", Quoted(policy)));
    }
  }

  void ReadPod(const YamlNode& node, const std::string& path, const Kind& kind,
               ReplicaSpec* replica) {
    const MapReader pod(node, "pod spec", path,
                        Together({"containers", "initContainers", "restartPolicy"}, kIgnoredOfPod),
                        &context_);
    Ignored(pod, kIgnoredOfPod);
    if (older_) {
      ReadRestart(pod, false, &replica->restart);
    } else {
      Ignored(pod, {"restartPolicy"}, ": the replica's own restartPolicy counts");
    }
    if (const YamlNode* init = pod.Find("initContainers")) {
      context_.Add(*init, pod.PathOf("initContainers"),
                   "are not supported here; do their work at the beginning of the command");
    }
    const YamlNode* containers = pod.Find("containers");
    if (containers == nullptr || !containers->is_list() || containers->items.empty()) {
      context_.Add(containers == nullptr ? node : *containers, pod.PathOf("containers"),
                   "must be a list with the container to run");
      return;
    }
    const YamlNode* chosen = nullptr;
    std::size_t at = 0;
    for (std::size_t i = 0; i < containers->items.size(); ++i) {
      const std::string name = NameOf(containers->items[i]);
      if (chosen == nullptr && (kind.container.empty() || older_ || name == kind.container)) {
        chosen = &containers->items[i];
        at = i;
      } else {
        job_.warnings.push_back(Cat(file_, ":", std::to_string(containers->items[i].line), ": ",
                                    pod.PathOf("containers"), ": the container ", Quoted(name),
                                    " is not started on one machine"));
      }
    }
    if (chosen == nullptr) {
      context_.Add(*containers, pod.PathOf("containers"),
                   Cat("must have a container named ", kind.container, ", as a ",
                       KindName(kind.kind), " demands"));
      return;
    }
    ReadContainer(*chosen, Cat(pod.PathOf("containers"), "[", std::to_string(at), "]"), replica);
  }

  static std::string NameOf(const YamlNode& container) {
    for (const YamlNode::Member& member : container.members) {
      if (member.key == "name") return member.value.scalar;
    }
    return "";
  }

  void ReadContainer(const YamlNode& node, const std::string& path, ReplicaSpec* replica) {
    const MapReader container(
        node, "container", path,
        Together({"name", "image", "command", "args", "env", "envFrom", "resources", "ports"},
                 kIgnoredOfContainer),
        &context_);
    Ignored(container, kIgnoredOfContainer);
    Ignored(container, {"ports"}, ": free ports are chosen, and told by the environment");
    replica->image = container.Text("image");
    for (const char* key : {"command", "args"}) AddTexts(container, key, &replica->argv);
    // The launcher starts the processes of an MPIJob's workers.
    const bool by_launcher = job_.kind == TrainingKind::kMpi && replica->type == "Worker";
    if (replica->argv.empty() && !by_launcher) {
      context_.Add(node, path + ".command",
                   "is missing: this machine cannot know the entry point of the image");
    }
    if (const YamlNode* from = container.Find("envFrom")) {
      context_.Add(*from, path + ".envFrom", kNoObjects);
    }
    if (const YamlNode* env = container.Find("env")) ReadEnv(*env, path + ".env", replica);
    if (const YamlNode* resources = container.Find("resources")) {
      ReadResources(*resources, path + ".resources", replica);
    }
  }

  void AddTexts(const MapReader& reader, const char* key, std::vector<std::string>* texts) {
    const YamlNode* list = reader.Find(key);
    if (list == nullptr) return;
    if (!list->is_list()) {
      context_.Add(*list, reader.PathOf(key), Cat("must be a list, not ", list->Describe()));
      return;
    }
    for (const YamlNode& item : list->items) {
      if (!item.is_scalar() || !item.Value().is_string()) {
        context_.Add(item, reader.PathOf(key),
                     Cat("must have texts only, not ", item.Describe(), "; quote it"));
        continue;
      }
      texts->push_back(item.scalar);
    }
  }

  void ReadEnv(const YamlNode& node, const std::string& path, ReplicaSpec* replica) {
    if (!node.is_list()) {
      context_.Add(node, path, Cat("must be a list of name and value, not ", node.Describe()));
      return;
    }
    for (const YamlNode& item : node.items) {
      const MapReader entry(item, "environment variable", path, {"name", "value", "valueFrom"},
                            &context_);
      const std::string name = entry.Text("name");
      if (name.empty() || name.find('=') != std::string::npos) {
        context_.Add(item, path, "has an entry without a proper name");
        continue;
      }
      if (const YamlNode* from = entry.Find("valueFrom")) {
        context_.Add(*from, JoinDots(path, name) + ".valueFrom", kNoObjects);
        continue;
      }
      replica->env.emplace_back(name, entry.Text("value"));
    }
  }

  void ReadResources(const YamlNode& node, const std::string& path, ReplicaSpec* replica) {
    const MapReader resources(node, "resources", path, {"limits", "requests", "claims"}, &context_);
    Ignored(resources, {"claims"});
    // CPUs are counted, so what is asked for counts; memory is enforced, so the limit does.
    for (const char* key : {"limits", "requests"}) {
      const YamlNode* amounts = resources.Find(key);
      if (amounts == nullptr) continue;
      for (const YamlNode::Member& member : amounts->members) {
        const std::string where = JoinDots(resources.PathOf(key), member.key);
        const auto amount = ParseQuantity(member.value.scalar);
        if (!member.value.is_scalar() || !amount) {
          context_.Add(
              member.value, where,
              Cat("must be a quantity such as 500m, 2 or 1Gi, not ", member.value.Describe()));
        } else if (member.key == "cpu") {
          replica->resources.cpus = *amount;
        } else if (member.key == "memory") {
          std::int64_t& bytes = replica->resources.memory_bytes;
          if (bytes == 0) bytes = static_cast<std::int64_t>(*amount);
        } else {
          job_.warnings.push_back(Cat(file_, ":", std::to_string(member.line), ": ", where,
                                      " is not counted on this machine"));
        }
      }
    }
  }

  // batch.paddlepaddle.org/v1, the operator that PaddleFlow drives.
  void ReadOlderPaddle(const YamlNode& node) {
    spec_ = &node;
    const MapReader spec(node, "PaddleJob", "spec",
                         {"cleanPodPolicy", "schedulingPolicy", "intranet", "withGloo", "ps",
                          "worker", "heter", "elastic"},
                         &context_);
    const std::string policy = spec.Text("cleanPodPolicy", "OnCompletion");
    job_.clean_pods = CleanPodPolicy::kRunning;
    if (policy == "Never") {
      job_.clean_pods = CleanPodPolicy::kNone;
    } else if (policy == "Always") {
      job_.clean_pods = CleanPodPolicy::kAll;
    } else if (policy != "OnFailure" && policy != "OnCompletion") {
      context_.Add(*spec.Find("cleanPodPolicy"), "spec.cleanPodPolicy",
                   Cat("must be Always, Never, OnFailure or OnCompletion, not ", Quoted(policy)));
    }
    Ignored(spec, {"schedulingPolicy", "intranet", "withGloo", "elastic"});
    if (const YamlNode* heter = spec.Find("heter")) {
      context_.Add(*heter, "spec.heter", "is not supported; ps and worker are");
    }
    Kind kind = KindOf(TrainingKind::kPaddle);
    kind.restart = RestartPolicy::kNever;
    for (const auto& [key, type] : {std::pair{"ps", "PS"}, std::pair{"worker", "Worker"}}) {
      const YamlNode* role = spec.Find(key);
      if (role == nullptr) continue;
      ReplicaSpec replica = ReadReplica(*role, type, spec.PathOf(key), kind);
      if (replica.replicas > 0) job_.replicas.push_back(std::move(replica));
    }
  }

  static constexpr char kNoObjects[] =
      "needs a cluster: there are no secrets, config maps or pod fields here; write the value, or "
      "set it in the environment of regatta";

  const std::string& file_;
  ReadContext context_;
  TrainingJob job_;
  bool older_ = false;  // batch.paddlepaddle.org
  const YamlNode* spec_ = nullptr;
};

}  // namespace

absl::StatusOr<TrainingJob> ParseTrainingJob(std::string_view yaml, const std::string& file,
                                             std::vector<Problem>* problems) {
  std::vector<Problem> found;
  TrainingJob job;
  YamlNode tree;
  if (ReadYaml(yaml, file, {}, &tree, &found)) job = Parser(file, &found).Parse(tree);
  if (found.empty()) return job;
  std::ranges::stable_sort(found, {}, [](const Problem& problem) {
    return std::pair(problem.place.line, problem.place.column);
  });
  const std::string first = found.front().ToString();
  if (problems != nullptr) *problems = std::move(found);
  return absl::InvalidArgumentError(first);
}

}  // namespace regatta::job

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "absl/strings/escaping.h"
#include "job/kubeflow/reading.h"
#include "job/yaml/text.h"

namespace regatta::job {
namespace {

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

// Kubeflow's runPolicy; earlier versions of its API have these keys in the spec itself.
const Names kRunPolicy = {"cleanPodPolicy",
                          "ttlSecondsAfterFinished",
                          "activeDeadlineSeconds",
                          "backoffLimit",
                          "suspend",
                          "schedulingPolicy",
                          "managedBy"};
constexpr std::size_t kMostDocuments = 1000;

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool IsDnsLabel(const std::string& name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && plain(name.front()) && plain(name.back()) &&
         std::ranges::all_of(name, [&](char c) { return plain(c) || c == '-'; });
}

// Versions of the API from before kubeflow.org/v1, which say the same with a few keys elsewhere.
bool IsEarlierVersion(const std::string& version) {
  return version == "kubeflow.org/v1alpha2" || version == "kubeflow.org/v1beta1" ||
         version == "kubeflow.org/v1beta2";
}

// The text at `key` of a map; "" when there is none.
std::string TextAt(const YamlNode& map, std::string_view key) {
  for (const YamlNode::Member& member : map.members) {
    if (member.key == key && member.value.is_scalar()) return member.value.scalar;
  }
  return "";
}

const YamlNode* At(const YamlNode& map, std::string_view key) {
  for (const YamlNode::Member& member : map.members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

bool IsTrainingJob(const YamlNode& tree) {
  const std::string kind = TextAt(tree, "kind");
  return std::ranges::any_of(std::array{TrainingKind::kPyTorch, TrainingKind::kTensorFlow,
                                        TrainingKind::kPaddle, TrainingKind::kMpi},
                             [&kind](TrainingKind each) { return kind == KindName(each); });
}

class Parser {
 public:
  Parser(const std::string& file, std::vector<Problem>* problems)
      : context_(file, false, problems), reading_(file, &context_, &job_) {}

  // The one training job of a file, in which other objects may stand beside it.
  TrainingJob Parse(const std::vector<YamlNode>& documents) {
    const YamlNode* found = nullptr;
    for (const YamlNode& document : documents) {
      if (!IsTrainingJob(document)) continue;
      if (found != nullptr) {
        context_.Add(document, "", "is a second training job; give each a file of its own");
        return job_;
      }
      found = &document;
    }
    for (const YamlNode& document : documents) {
      if (document.is_null()) continue;         // nothing but comments between two lines
      if (found == nullptr) found = &document;  // whose kind will be complained about
      if (&document != found) ReadObject(document);
    }
    return ParseJob(found == nullptr ? documents.front() : *found);
  }

 private:
  TrainingJob ParseJob(const YamlNode& tree) {
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

  // Something that stands beside the job. The texts of ConfigMaps and Secrets are of use.
  void ReadObject(const YamlNode& tree) {
    const std::string kind = TextAt(tree, "kind");
    const YamlNode* metadata = At(tree, "metadata");
    const std::string name = metadata == nullptr ? "" : TextAt(*metadata, "name");
    if (kind != "ConfigMap" && kind != "Secret") {
      reading_.Warn(tree.line, Cat(kind.empty() ? "an object" : kind, " ", Quoted(name)),
                    " is ignored on one machine");
      return;
    }
    auto& texts = objects_[Cat(kind, "/", name)];
    for (const char* key : {"data", "stringData"}) {
      const YamlNode* data = At(tree, key);
      if (data == nullptr) continue;
      for (const YamlNode::Member& member : data->members) {
        std::string text = member.value.scalar;
        std::string decoded;
        if (kind == "Secret" && std::string_view(key) == "data") {
          if (!absl::Base64Unescape(text, &decoded)) {
            context_.Add(member.value, JoinDots(key, member.key), "must be Base64 in a Secret");
            continue;
          }
          text = decoded;
        }
        texts[member.key] = text;
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
        if (IsEarlierVersion(job_.api_version)) {
          reading_.Warn(place->line, "apiVersion", " is read as kubeflow.org/v1");
          return true;
        }
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
    const MapReader metadata(
        *node, "metadata", "metadata",
        {"name", "generateName", "namespace", "labels", "annotations", "finalizers",
         "ownerReferences", "uid", "resourceVersion", "creationTimestamp", "generation",
         "managedFields", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"},
        &context_);
    job_.name = metadata.Text("name");
    job_.name_space = metadata.Text("namespace", "default");
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
    Names known = Together({kind.replica_specs, "runPolicy"}, kRunPolicy);
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
        known =
            Together(known, {"slotsPerWorker", "mainContainer", "sshAuthMountPath",
                             "launcherCreationPolicy", "mpiImplementation", "runLauncherAsWorker"});
        break;
    }
    const MapReader spec(node, std::string(KindName(job_.kind)), "spec", known, &context_);
    for (const std::string& key : kRunPolicy) {
      const YamlNode::Member* member = spec.FindMember(key);
      if (member == nullptr) continue;
      if (job_.kind == TrainingKind::kMpi && key == "cleanPodPolicy") continue;  // Kubeflow's, too
      reading_.Warn(member->line, spec.PathOf(key),
                    " counts, though its place is in spec.runPolicy since kubeflow.org/v1");
    }
    ReadRunPolicy(spec);
    if (const YamlNode* policy = spec.Find("runPolicy")) {
      ReadRunPolicy(MapReader(*policy, "runPolicy", "spec.runPolicy", kRunPolicy, &context_));
    }
    if (job_.kind == TrainingKind::kMpi) ReadMpi(spec);
    if (job_.kind == TrainingKind::kTensorFlow) {
      const std::string policy = spec.Text("successPolicy");
      job_.all_workers_decide = policy == "AllWorkers";
      if (!policy.empty() && policy != "AllWorkers") {
        context_.Add(*spec.Find("successPolicy"), "spec.successPolicy",
                     Cat("must be \"\" or AllWorkers, not ", Quoted(policy)));
      }
      reading_.Ignored(spec, {"enableDynamicWorker"});
    }
    if (job_.kind == TrainingKind::kPyTorch) ReadNprocPerNode(spec);
    ReadElastic(spec);
    ReadReplicas(spec, kind);
  }

  void ReadMpi(const MapReader& spec) {
    job_.slots_per_worker =
        static_cast<int>(reading_.Number(spec, "slotsPerWorker", 1, 1024).value_or(1));
    job_.launcher_is_worker = spec.Bool("runLauncherAsWorker", false);
    OneOf(spec, "mpiImplementation", {"OpenMPI", "Intel", "MPICH"});
    OneOf(spec, "launcherCreationPolicy", {"AtStartup", "WaitForWorkersReady"});
    reading_.Ignored(spec, {"mainContainer"}, ": the first container of the launcher counts");
    reading_.Ignored(spec, {"sshAuthMountPath"}, ": mpirun starts all processes itself");
    // A Job of Kubernetes starts the launcher, with its own limit.
    if (job_.api_version == "kubeflow.org/v2beta1" && !job_.backoff_limit) job_.backoff_limit = 6;
  }

  void OneOf(const MapReader& reader, const char* key, const Names& words) {
    const std::string word = reader.Text(key, words[0]);
    if (std::ranges::find(words, word) != words.end()) return;
    std::string all = words[0];
    for (std::size_t i = 1; i < words.size(); ++i) {
      all += (i + 1 == words.size() ? " or " : ", ") + words[i];
    }
    context_.Add(*reader.Find(key), reader.PathOf(key),
                 Cat("must be ", all, ", not ", Quoted(word), context_.Hint(word, words)));
  }

  void ReadNprocPerNode(const MapReader& spec) {
    const YamlNode* node = spec.Find("nprocPerNode");
    if (node == nullptr) return;
    // A text in Kubeflow.
    for (const char* word : {"auto", "cpu", "gpu"}) {
      if (node->scalar == word) job_.nproc_per_node = word;
    }
    const auto number = ParseQuantity(node->scalar);
    if (node->is_scalar() && number && *number >= 1 && *number <= 1024 &&
        *number == static_cast<int>(*number)) {
      job_.nproc_per_node = std::to_string(static_cast<int>(*number));
    }
    if (job_.nproc_per_node.empty()) {
      context_.Add(*node, "spec.nprocPerNode",
                   Cat("must be a number of processes, auto, cpu or gpu, not ", node->Describe()));
    }
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

  void ReadRunPolicy(const MapReader& policy) {
    ReadCleanPods(policy, "cleanPodPolicy");
    constexpr std::int64_t kLongest = 100LL * 365 * 24 * 3600;
    if (const auto ttl = reading_.Number(policy, "ttlSecondsAfterFinished", 0, kLongest)) {
      job_.time_to_live = std::chrono::seconds(*ttl);
    }
    if (const auto deadline = reading_.Number(policy, "activeDeadlineSeconds", 1, kLongest)) {
      job_.active_deadline = std::chrono::seconds(*deadline);
    }
    if (const auto limit = reading_.Number(policy, "backoffLimit", 0, 1'000'000)) {
      job_.backoff_limit = static_cast<int>(*limit);
    }
    job_.suspend = policy.Bool("suspend", job_.suspend);
    reading_.Ignored(policy, {"schedulingPolicy"}, ": all replicas start together here");
    reading_.Ignored(policy, {"managedBy"});
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
    const auto least = reading_.Number(policy, "minReplicas", 1, 10'000);
    const auto most = reading_.Number(policy, "maxReplicas", 1, 10'000);
    if (least && most && *least > *most) {
      context_.Add(*policy.Find("minReplicas"), "spec.elasticPolicy.minReplicas",
                   Cat("is more than maxReplicas (", std::to_string(*most), ")"));
    }
    reading_.Ignored(policy, {"minReplicas", "maxReplicas"}, ": the replicas of the file run");
    reading_.Ignored(policy, {"rdzvHost", "rdzvPort"}, ": the ranks meet at 127.0.0.1");
    reading_.Ignored(policy, {"metrics"});
    const auto restarts = reading_.Number(policy, "maxRestarts", 0, 1'000'000);
    if (job_.kind != TrainingKind::kPyTorch) {
      reading_.Ignored(policy, {"maxRestarts"}, ": runPolicy.backoffLimit counts");
      return;
    }
    job_.any_worker_decides = true;  // unless there is a master
    if (restarts) job_.elastic_env.emplace_back("PET_MAX_RESTARTS", std::to_string(*restarts));
    if (const auto processes = reading_.Number(policy, "nProcPerNode", 1, 1024)) {
      job_.nproc_per_node = std::to_string(*processes);
    }
    OneOf(policy, "rdzvBackend", {"c10d", "etcd", "etcd-v2"});
    if (policy.Text("rdzvBackend", "c10d") != "c10d") {
      reading_.Ignored(policy, {"rdzvBackend"}, ": c10d is used, which needs no server");
    }
    ReadRdzvConf(policy);
    job_.elastic_env.emplace_back("PET_RDZV_BACKEND", "c10d");
    job_.elastic_env.emplace_back("PET_RDZV_ENDPOINT", "$(MASTER_ADDR):$(MASTER_PORT)");
    job_.elastic_env.emplace_back("PET_RDZV_ID", policy.Text("rdzvId", job_.name));
    if (policy.Bool("standalone", false)) job_.elastic_env.emplace_back("PET_STANDALONE", "1");
  }

  void ReadRdzvConf(const MapReader& policy) {
    const YamlNode* list = policy.Find("rdzvConf");
    if (list == nullptr) return;
    std::string all;
    for (const YamlNode& item : list->items) {
      const MapReader entry(item, "setting of the rendezvous", policy.PathOf("rdzvConf"),
                            {"key", "value"}, &context_);
      all += Cat(all.empty() ? "" : ",", entry.Text("key"), "=", entry.Text("value"));
    }
    if (!all.empty()) job_.elastic_env.emplace_back("PET_RDZV_CONF", all);
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
    job_.any_worker_decides =
        job_.any_worker_decides && !job_.replicas.empty() && job_.replicas[0].type == "Worker";
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
    if (type == "Launcher" && job_.api_version == "kubeflow.org/v2beta1") {
      replica.restart = RestartPolicy::kOnFailure;
    }
    Names known = {"replicas", "template", older_ ? "requests" : "restartPolicy"};
    if (older_) known.emplace_back("limits");
    const MapReader reader(node, "replica spec", path, known, &context_);
    replica.replicas = static_cast<int>(reading_.Number(reader, "replicas", 0, 10'000).value_or(1));
    if (!older_) ReadRestart(reading_, reader, true, &replica.restart);
    if (older_) reading_.Ignored(reader, {"requests", "limits"});
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
    const PodRules rules{.kind = KindName(kind.kind),
                         .container = older_ ? "" : kind.container,
                         .own_restart = older_,
                         .needs_command = kind.kind != TrainingKind::kMpi || type == "Launcher"};
    ReadPod(reading_, objects_, *pod, path + ".template.spec", rules, &replica);
    return replica;
  }

  // batch.paddlepaddle.org/v1, the operator that PaddleFlow drives.
  void ReadOlderPaddle(const YamlNode& node) {
    spec_ = &node;
    const MapReader spec(node, "PaddleJob", "spec",
                         {"cleanPodPolicy", "schedulingPolicy", "intranet", "withGloo", "ps",
                          "worker", "heter", "elastic"},
                         &context_);
    const std::string policy = spec.Text("cleanPodPolicy", "OnCompletion");
    if (policy == "Never") {
      job_.clean_pods = CleanPodPolicy::kNone;
    } else if (policy == "Always") {
      job_.clean_pods = CleanPodPolicy::kAll;
    } else if (policy == "OnFailure") {
      job_.clean_pods = CleanPodPolicy::kOnFailure;
    } else if (policy == "OnCompletion") {
      job_.clean_pods = CleanPodPolicy::kOnSuccess;
    } else {
      // Its own examples have a word that it does not know; it cleans nothing then.
      job_.clean_pods = CleanPodPolicy::kNone;
      reading_.Warn(spec.Find("cleanPodPolicy")->line, "spec.cleanPodPolicy",
                    Cat(" counts as Never: it is Always, Never, OnFailure or OnCompletion, not ",
                        Quoted(policy)));
    }
    reading_.Ignored(spec, {"schedulingPolicy", "intranet", "withGloo", "elastic"});
    reading_.Ignored(spec, {"heter"}, ": only ps and worker are started");
    Kind kind = KindOf(TrainingKind::kPaddle);
    for (const auto& [key, type] : {std::pair{"ps", "PS"}, std::pair{"worker", "Worker"}}) {
      const YamlNode* role = spec.Find(key);
      if (role == nullptr) continue;
      const bool again = spec.Find("elastic") != nullptr ||
                         (spec.Text("intranet") == "Service" && std::string_view(key) == "worker");
      kind.restart = again ? RestartPolicy::kOnFailure : RestartPolicy::kNever;
      ReplicaSpec replica = ReadReplica(*role, type, spec.PathOf(key), kind);
      if (replica.replicas > 0) job_.replicas.push_back(std::move(replica));
    }
  }

  ReadContext context_;
  TrainingJob job_;
  Reading reading_;
  Objects objects_;
  bool older_ = false;  // batch.paddlepaddle.org
  const YamlNode* spec_ = nullptr;
};

}  // namespace

absl::StatusOr<TrainingJob> ParseTrainingJob(std::string_view yaml, const std::string& file,
                                             std::vector<Problem>* problems) {
  std::vector<Problem> found;
  TrainingJob job;
  std::vector<YamlNode> documents;
  if (ReadYamlDocuments(yaml, file, {}, kMostDocuments + 1, &documents, &found)) {
    if (documents.size() > kMostDocuments) {
      found.push_back({{file, documents.back().line, documents.back().column},
                       "",
                       Cat("has more than ", std::to_string(kMostDocuments), " documents")});
    } else {
      job = Parser(file, &found).Parse(documents);
    }
  }
  if (found.empty()) return job;
  std::ranges::stable_sort(found, {}, [](const Problem& problem) {
    return std::pair(problem.place.line, problem.place.column);
  });
  const std::string first = found.front().ToString();
  if (problems != nullptr) *problems = std::move(found);
  return absl::InvalidArgumentError(first);
}

}  // namespace regatta::job

#include "job/kubeflow/reading.h"
#include "job/yaml/text.h"

namespace regatta::job {
namespace {

// What Kubernetes knows in these places and one machine has no use for.
const Names kIgnoredOfPod = {"activeDeadlineSeconds",
                             "affinity",
                             "automountServiceAccountToken",
                             "dnsConfig",
                             "dnsPolicy",
                             "enableServiceLinks",
                             "ephemeralContainers",
                             "hostAliases",
                             "hostIPC",
                             "hostNetwork",
                             "hostPID",
                             "hostUsers",
                             "hostname",
                             "imagePullSecrets",
                             "nodeName",
                             "nodeSelector",
                             "os",
                             "overhead",
                             "preemptionPolicy",
                             "priority",
                             "priorityClassName",
                             "readinessGates",
                             "resourceClaims",
                             "runtimeClassName",
                             "schedulerName",
                             "schedulingGates",
                             "securityContext",
                             "serviceAccount",
                             "serviceAccountName",
                             "setHostnameAsFQDN",
                             "shareProcessNamespace",
                             "subdomain",
                             "tolerations",
                             "topologySpreadConstraints",
                             "volumes"};
const Names kIgnoredOfContainer = {"imagePullPolicy",
                                   "lifecycle",
                                   "livenessProbe",
                                   "readinessProbe",
                                   "resizePolicy",
                                   "restartPolicy",
                                   "securityContext",
                                   "startupProbe",
                                   "stdin",
                                   "stdinOnce",
                                   "terminationMessagePath",
                                   "terminationMessagePolicy",
                                   "tty",
                                   "volumeDevices",
                                   "volumeMounts"};

// Pod fields whose value one machine knows.
std::optional<std::string> FieldValue(const std::string& field, const TrainingJob& job) {
  if (field == "status.podIP" || field == "status.podIPs" || field == "status.hostIP") {
    return "127.0.0.1";
  }
  if (field == "metadata.namespace") return job.name_space;
  if (field == "spec.nodeName") return "localhost";
  return std::nullopt;
}

class PodReader {
 public:
  PodReader(const Reading& reading, const Objects& objects, const PodRules& rules,
            ReplicaSpec* replica)
      : reading_(reading), objects_(objects), rules_(rules), replica_(replica) {}

  void Read(const YamlNode& node, const std::string& path) {
    const MapReader pod(
        node, "pod spec", path,
        Together({"containers", "initContainers", "restartPolicy", "terminationGracePeriodSeconds"},
                 kIgnoredOfPod),
        &context());
    reading_.Ignored(pod, kIgnoredOfPod);
    if (rules_.own_restart) {
      ReadRestart(reading_, pod, false, &replica_->restart);
    } else {
      reading_.Ignored(pod, {"restartPolicy"}, ": the replica's own restartPolicy counts");
    }
    reading_.Ignored(pod, {"initContainers"},
                     ": they are not run; do their work at the beginning of the command");
    if (const auto grace = reading_.Number(pod, "terminationGracePeriodSeconds", 0, 24L * 3600)) {
      replica_->grace = std::chrono::seconds(*grace);
    }
    const YamlNode* containers = pod.Find("containers");
    if (containers == nullptr || !containers->is_list() || containers->items.empty()) {
      context().Add(containers == nullptr ? node : *containers, pod.PathOf("containers"),
                    "must be a list with the container to run");
      return;
    }
    const std::string list = pod.PathOf("containers");
    const YamlNode* chosen = nullptr;
    std::size_t at = 0;
    for (std::size_t i = 0; i < containers->items.size(); ++i) {
      const std::string name = NameOf(containers->items[i]);
      if (chosen == nullptr && (rules_.container.empty() || name == rules_.container)) {
        chosen = &containers->items[i];
        at = i;
      } else {
        reading_.Warn(containers->items[i].line, list,
                      Cat(": the container ", Quoted(name), " is not started on one machine"));
      }
    }
    if (chosen == nullptr) {
      context().Add(*containers, list,
                    Cat("must have a container named ", rules_.container, ", as a ", rules_.kind,
                        " demands"));
      return;
    }
    ReadContainer(*chosen, Cat(list, "[", std::to_string(at), "]"));
  }

 private:
  ReadContext& context() const { return reading_.context(); }

  static std::string NameOf(const YamlNode& container) {
    for (const YamlNode::Member& member : container.members) {
      if (member.key == "name") return member.value.scalar;
    }
    return "";
  }

  void ReadContainer(const YamlNode& node, const std::string& path) {
    const MapReader container(node, "container", path,
                              Together({"name", "image", "command", "args", "env", "envFrom",
                                        "resources", "ports", "workingDir"},
                                       kIgnoredOfContainer),
                              &context());
    reading_.Ignored(container, kIgnoredOfContainer);
    reading_.Ignored(container, {"ports"}, ": free ports are chosen, and told by the environment");
    replica_->image = container.Text("image");
    AddTexts(container, "command");
    const bool no_command = replica_->argv.empty();
    AddTexts(container, "args");
    if (no_command && rules_.needs_command) ReadEntryPoint(node, path);
    replica_->working_directory = container.Text("workingDir");
    if (!replica_->working_directory.empty() && replica_->working_directory[0] != '/') {
      context().Add(*container.Find("workingDir"), path + ".workingDir",
                    Cat("must be an absolute path, not ", Quoted(replica_->working_directory)));
    }
    if (const YamlNode* from = container.Find("envFrom")) ReadEnvFrom(*from, path + ".envFrom");
    if (const YamlNode* env = container.Find("env")) ReadEnv(*env, path + ".env");
    if (const YamlNode* resources = container.Find("resources")) {
      ReadResources(*resources, path + ".resources");
    }
  }

  void ReadEntryPoint(const YamlNode& node, const std::string& path) {
    if (replica_->image.empty()) {
      context().Add(node, path + ".command", "is missing, and there is no image that has one");
      return;
    }
    replica_->image_entry_point = true;
    reading_.Warn(node.line, path + ".command",
                  " is absent: the entry point of the image runs, which takes the setting "
                  "`containerd`");
  }

  void AddTexts(const MapReader& reader, const char* key) {
    const YamlNode* list = reader.Find(key);
    if (list == nullptr) return;
    if (!list->is_list()) {
      context().Add(*list, reader.PathOf(key), Cat("must be a list, not ", list->Describe()));
      return;
    }
    for (const YamlNode& item : list->items) {
      if (!item.is_scalar() || !item.Value().is_string()) {
        context().Add(item, reader.PathOf(key),
                      Cat("must have texts only, not ", item.Describe(), "; quote it"));
        continue;
      }
      replica_->argv.push_back(item.scalar);
    }
  }

  // An object that stands beside the job; null with a warning when it does not.
  const std::map<std::string, std::string>* FindObject(const YamlNode& place,
                                                       const std::string& kind,
                                                       const std::string& name,
                                                       const std::string& path) {
    const auto found = objects_.find(Cat(kind, "/", name));
    if (found != objects_.end()) return &found->second;
    reading_.Warn(place.line, path,
                  Cat(" is ignored on one machine: the file has no ", kind, " ", Quoted(name),
                      "; set the values in the environment of regatta"));
    return nullptr;
  }

  void ReadEnvFrom(const YamlNode& node, const std::string& path) {
    if (!node.is_list()) {
      context().Add(node, path, Cat("must be a list, not ", node.Describe()));
      return;
    }
    for (const YamlNode& item : node.items) {
      const MapReader entry(item, "source of variables", path,
                            {"prefix", "configMapRef", "secretRef"}, &context());
      const std::string prefix = entry.Text("prefix");
      for (const auto& [key, kind] :
           {std::pair{"configMapRef", "ConfigMap"}, std::pair{"secretRef", "Secret"}}) {
        const YamlNode* reference = entry.Find(key);
        if (reference == nullptr) continue;
        const MapReader to(*reference, "reference", entry.PathOf(key), {"name", "optional"},
                           &context());
        const auto* object = FindObject(*reference, kind, to.Text("name"), entry.PathOf(key));
        if (object == nullptr) continue;
        for (const auto& [name, value] : *object) replica_->env.emplace_back(prefix + name, value);
      }
    }
  }

  void ReadEnv(const YamlNode& node, const std::string& path) {
    if (!node.is_list()) {
      context().Add(node, path, Cat("must be a list of name and value, not ", node.Describe()));
      return;
    }
    for (const YamlNode& item : node.items) {
      const MapReader entry(item, "environment variable", path, {"name", "value", "valueFrom"},
                            &context());
      const std::string name = entry.Text("name");
      if (name.empty() || name.find('=') != std::string::npos) {
        context().Add(item, path, "has an entry without a proper name");
        continue;
      }
      if (const YamlNode* from = entry.Find("valueFrom")) {
        const auto value = ValueFrom(*from, JoinDots(path, name) + ".valueFrom");
        if (value) replica_->env.emplace_back(name, *value);
        continue;
      }
      replica_->env.emplace_back(name, entry.Text("value"));
    }
  }

  std::optional<std::string> ValueFrom(const YamlNode& node, const std::string& path) {
    const MapReader from(
        node, "source of a value", path,
        {"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"},
        &context());
    if (const YamlNode* field = from.Find("fieldRef")) {
      const MapReader reference(*field, "reference", from.PathOf("fieldRef"),
                                {"apiVersion", "fieldPath"}, &context());
      const std::string name = reference.Text("fieldPath");
      if (auto value = FieldValue(name, reading_.job())) return value;
      reading_.Warn(field->line, from.PathOf("fieldRef"),
                    Cat(" is ignored on one machine, which has no pods with ", Quoted(name)));
      return std::nullopt;
    }
    for (const auto& [key, kind] :
         {std::pair{"configMapKeyRef", "ConfigMap"}, std::pair{"secretKeyRef", "Secret"}}) {
      const YamlNode* reference = from.Find(key);
      if (reference == nullptr) continue;
      const MapReader to(*reference, "reference", from.PathOf(key), {"name", "key", "optional"},
                         &context());
      const auto* object = FindObject(*reference, kind, to.Text("name"), from.PathOf(key));
      if (object == nullptr) return std::nullopt;
      const auto value = object->find(to.Text("key"));
      if (value != object->end()) return value->second;
      if (to.Bool("optional", false)) return std::nullopt;
      context().Add(
          *reference, from.PathOf(key),
          Cat(kind, " ", Quoted(to.Text("name")), " has no key ", Quoted(to.Text("key"))));
      return std::nullopt;
    }
    reading_.Ignored(from, {"resourceFieldRef", "fileKeyRef"});
    return std::nullopt;
  }

  void ReadResources(const YamlNode& node, const std::string& path) {
    const MapReader resources(node, "resources", path, {"limits", "requests", "claims"},
                              &context());
    reading_.Ignored(resources, {"claims"});
    // CPUs are counted, so what is asked for counts; memory is enforced, so the limit does.
    for (const char* key : {"limits", "requests"}) {
      const YamlNode* amounts = resources.Find(key);
      if (amounts == nullptr) continue;
      for (const YamlNode::Member& member : amounts->members) {
        const std::string where = JoinDots(resources.PathOf(key), member.key);
        const auto amount = ParseQuantity(member.value.scalar);
        // So that what all replicas need together can be counted.
        const double most = member.key == "cpu" ? 1e6 : 1e14;
        if (!member.value.is_scalar() || !amount) {
          context().Add(
              member.value, where,
              Cat("must be a quantity such as 500m, 2 or 1Gi, not ", member.value.Describe()));
        } else if ((member.key == "cpu" || member.key == "memory") && *amount > most) {
          context().Add(member.value, where,
                        Cat("must be at most ", member.key == "cpu" ? "1M" : "100T", ", not ",
                            member.value.Describe()));
        } else if (member.key == "cpu") {
          replica_->resources.cpus = *amount;
        } else if (member.key == "memory") {
          std::int64_t& bytes = replica_->resources.memory_bytes;
          if (bytes == 0) bytes = static_cast<std::int64_t>(*amount);
        } else {
          reading_.Warn(member.line, where, " is not counted on this machine");
        }
      }
    }
  }

  const Reading& reading_;
  const Objects& objects_;
  const PodRules& rules_;
  ReplicaSpec* const replica_;
};

}  // namespace

Names Together(Names names, const Names& more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

void Reading::Warn(int line, const std::string& path, const std::string& text) const {
  constexpr std::size_t kMost = 1000;  // nobody reads more
  if (job_->warnings.size() >= kMost) return;
  job_->warnings.push_back(
      Cat(file_, ":", std::to_string(line), ": ", OneLine(path), OneLine(text)));
}

void Reading::Ignored(const MapReader& reader, const Names& names, const std::string& why) const {
  for (const std::string& name : names) {
    if (const YamlNode::Member* member = reader.FindMember(name)) {
      Warn(member->line, reader.PathOf(name), " is ignored on one machine" + why);
    }
  }
}

std::optional<std::int64_t> Reading::Number(const MapReader& reader, const char* key,
                                            std::int64_t least, std::int64_t most) const {
  const YamlNode* node = reader.Find(key);
  if (node == nullptr) return std::nullopt;
  const std::int64_t number = reader.Integer(key, least);
  if (number < least || number > most) {
    context_->Add(*node, reader.PathOf(key),
                  Cat("must be from ", std::to_string(least), " to ", std::to_string(most),
                      ", not ", std::to_string(number)));
    return std::nullopt;
  }
  return number;
}

void ReadPod(const Reading& reading, const Objects& objects, const YamlNode& node,
             const std::string& path, const PodRules& rules, ReplicaSpec* replica) {
  PodReader(reading, objects, rules, replica).Read(node, path);
}

void ReadRestart(const Reading& reading, const MapReader& reader, bool exit_code,
                 RestartPolicy* restart) {
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
    reading.context().Add(*reader.Find("restartPolicy"), reader.PathOf("restartPolicy"),
                          Cat("must be Always, OnFailure, Never", exit_code ? " or ExitCode" : "",
                              ", not ", Quoted(policy)));
  }
}

}  // namespace regatta::job

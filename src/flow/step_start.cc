#include "flow/step_start.h"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "flow/loop_list.h"
#include "flow/resolve.h"
#include "flow/template.h"
#include "flow/text.h"

namespace regatta::flow {
namespace {

using base::Json;

const std::map<std::string, job::Framework>& Frameworks() {
  static const auto& names =
      *new std::map<std::string, job::Framework>{{"", job::Framework::kPlain},
                                                 {"pytorch", job::Framework::kPyTorch},
                                                 {"tensorflow", job::Framework::kTensorFlow},
                                                 {"paddle", job::Framework::kPaddle}};
  return names;
}

// Whether one of the words that a shell would see is a Python: python, python3, /x/python3.11.
bool RunsPython(std::string_view command) {
  constexpr std::string_view kBetween = " \t\n;&|()'\"";
  while (!command.empty()) {
    const std::size_t end = std::min(command.find_first_of(kBetween), command.size());
    std::string_view word = command.substr(0, end);
    command.remove_prefix(std::min(end + 1, command.size()));
    const std::size_t slash = word.rfind('/');
    if (slash != std::string_view::npos) word.remove_prefix(slash + 1);
    if (!word.starts_with("python")) continue;
    word.remove_prefix(6);
    if (word.find_first_not_of("0123456789.") == std::string_view::npos) return true;
  }
  return false;
}

// Searching an interpreter starts processes the first time; the answer is remembered by the job
// room. This remembers for which questions that has happened.
class KnownInterpreters {
 public:
  static bool Has(const std::string& question) {
    const std::lock_guard lock(Mutex());
    return Set().contains(question);
  }
  static void Add(const std::string& question) {
    const std::lock_guard lock(Mutex());
    Set().insert(question);
  }

 private:
  static std::mutex& Mutex() {
    static std::mutex& mutex = *new std::mutex;
    return mutex;
  }
  static std::set<std::string>& Set() {
    static auto& set = *new std::set<std::string>;
    return set;
  }
};

// PaddleFlow takes a leading "sh -c" off and gives the rest to its own: `sh -c echo a b` prints
// "a b" there. A quoted rest would be one word then, and no program; it stays as it is.
std::string WithoutShell(std::string text) {
  for (std::string_view shell : {"sh -c ", "bash -c "}) {
    const std::string_view trimmed = Trim(text);
    if (!trimmed.starts_with(shell)) continue;
    const std::string_view rest = trimmed.substr(shell.size());
    const std::size_t first = rest.find_first_not_of(" \t");
    if (first == std::string_view::npos || rest[first] == '"' || rest[first] == '\'') break;
    return std::string(rest.substr(first));
  }
  return text;
}

// The commands and environments of a step, filled in twice: as they run, and as they enter the
// cache key. There the templates stay: what they stand for enters by parts of its own (parameters,
// loop argument, digests of inputs), so that the explanation of a change names the cause alone.
class Filler {
 public:
  explicit Filler(const StartRequest& request) : request_(request) {
    const bool compat = request.pipeline->compat;
    style_ = compat ? TemplateStyle::kPaddleFlow : TemplateStyle::kOurs;
    const std::string item = request.loop_argument.is_null() ? ""
                             : compat                        ? GoText(request.loop_argument)
                                                             : ValueText(request.loop_argument);
    system_ = {{"PF_RUN_ID", request.run_id},
               {"PF_STEP_NAME", compat ? request.node->name : request.step_name},
               {"PF_USER_NAME", request.created_by},
               {"PF_LOOP_ARGUMENT", item}};
    for (const auto& [name, artifacts] : request.inputs) paths_[name] = JoinedPaths(artifacts);
    for (const auto& [name, path] : request.output_paths) paths_[name] = path;
  }

  const std::map<std::string, std::string>& system() const { return system_; }
  TemplateStyle style() const { return style_; }

  absl::StatusOr<std::string> Text(const std::string& text, bool for_key, bool artifacts) const {
    const OwnNames names{&request_.parameters, artifacts ? &paths_ : nullptr};
    return ExpandText(
        text,
        [&](const TemplateReference& reference) -> absl::StatusOr<Json> {
          ASSIGN_OR_RETURN(Json value, OwnValue(names, system_, reference));
          if (for_key) return Json(absl::StrCat("{{", reference.name, "}}"));
          return value;
        },
        style_);
  }

  absl::StatusOr<std::map<std::string, std::string>> Env(
      const std::map<std::string, std::string>& env, const std::string& path, bool for_key) const {
    std::map<std::string, std::string> filled;
    for (const auto& [name, value] : env) {
      auto text = Text(value, for_key, false);
      if (!text.ok()) {
        return At(FieldPlace(*request_.node, "env"), absl::StrCat(path, ".env.", name),
                  text.status());
      }
      filled[name] = *std::move(text);
    }
    return filled;
  }

  absl::StatusOr<std::vector<std::string>> Argv(const Command& command, bool for_key) const {
    std::vector<std::string> argv;
    const std::string path = absl::StrCat(request_.node_path, ".command");
    if (!command.shell.empty() || command.argv.empty()) {
      auto text = Text(command.shell, for_key, true);
      if (!text.ok()) return At(command.place, path, text.status());
      if (request_.pipeline->compat) text = WithoutShell(*std::move(text));
      return std::vector<std::string>{"sh", "-c", *std::move(text)};
    }
    for (const std::string& word : command.argv) {
      auto text = Text(word, for_key, true);
      if (!text.ok()) return At(command.place, path, text.status());
      argv.push_back(*std::move(text));
    }
    return argv;
  }

 private:
  const StartRequest& request_;
  TemplateStyle style_;
  std::map<std::string, std::string> system_, paths_;
};

Command MemberCommand(const Node& node, const Member& member) {
  if (!member.command) return node.command;
  return Command{.shell = *member.command, .argv = {}, .place = member.place};
}

std::string ShownCommand(const std::vector<std::string>& argv, const Command& command) {
  return command.argv.empty() ? argv.back() : absl::StrJoin(argv, " ");
}

// The image that the step names, or the pipeline for all its steps; empty: none.
const std::string& ImageOf(const StartRequest& request) {
  return request.node->docker_env.empty() ? request.pipeline->docker_env : request.node->docker_env;
}

bool InImage(const StartRequest& request) {
  return request.uses_images && !ImageOf(request).empty();
}

// Roles of the job; a step without `distributed_job` is one worker.
absl::Status FillRoles(const StartRequest& request, const Filler& filler, StartDecision& decision) {
  const Node& node = *request.node;
  job::JobSpec& spec = decision.spec;
  if (!node.distributed_job) {
    job::Role role;
    ASSIGN_OR_RETURN(role.argv, filler.Argv(node.command, false));
    decision.command = ShownCommand(role.argv, node.command);
    role.image = ImageOf(request);
    spec.roles.push_back(std::move(role));
    return absl::OkStatus();
  }
  const DistributedJob& distributed = *node.distributed_job;
  const auto framework = Frameworks().find(distributed.framework);
  if (framework == Frameworks().end()) {
    return At(distributed.place, absl::StrCat(request.node_path, ".distributed_job.framework"),
              absl::InvalidArgumentError(
                  absl::StrCat("\"", distributed.framework,
                               "\" is unknown; use pytorch, tensorflow, paddle, or leave it out")));
  }
  spec.framework = framework->second;
  decision.replicas = 0;
  for (const Member& member : distributed.members) {
    job::Role role;
    role.name = member.role;
    role.replicas = member.replicas;
    const Command command = MemberCommand(node, member);
    ASSIGN_OR_RETURN(role.argv, filler.Argv(command, false));
    ASSIGN_OR_RETURN(role.env, filler.Env(member.env, request.node_path, false));
    role.resources = {member.flavour.cpus, member.flavour.memory_bytes};
    role.image = ImageOf(request);
    const std::string shown = ShownCommand(role.argv, command);
    if (decision.command.empty()) {
      decision.command = shown;
    } else if (decision.command != shown) {
      absl::StrAppend(&decision.command, "\n", member.role, ": ", shown);
    }
    decision.replicas += role.replicas;
    spec.roles.push_back(std::move(role));
  }
  return absl::OkStatus();
}

std::string EncodedCommand(const std::vector<std::string>& argv) {
  return base::DumpJson(Json(argv));
}

absl::StatusOr<KeyInputs> MakeKeyInputs(const StartRequest& request, const Filler& filler) {
  const Node& node = *request.node;
  KeyInputs inputs;
  inputs.pipeline = request.pipeline->name;
  inputs.node = request.node_path;
  inputs.docker_env = ImageOf(request);
  inputs.parameters = request.parameters;
  inputs.parameters.erase(LoopListParameter(node, filler.style()));
  inputs.loop_argument = request.loop_argument;
  inputs.inputs = request.inputs;
  ASSIGN_OR_RETURN(inputs.env, filler.Env(node.env, request.node_path, true));
  for (const OutputArtifact& output : node.outputs) inputs.outputs.push_back(output.name);
  ASSIGN_OR_RETURN(std::vector<std::string> argv, filler.Argv(node.command, true));
  inputs.command = EncodedCommand(argv);
  if (node.distributed_job) {
    Json layout = {{"framework", node.distributed_job->framework}, {"members", Json::array()}};
    for (const Member& member : node.distributed_job->members) {
      Json item = {{"role", member.role}, {"replicas", member.replicas}};
      if (member.command) {
        ASSIGN_OR_RETURN(argv, filler.Argv(MemberCommand(node, member), true));
        item["command"] = argv;
      }
      layout["members"].push_back(std::move(item));
      ASSIGN_OR_RETURN(auto env, filler.Env(member.env, request.node_path, true));
      for (auto& [name, value] : env) {
        inputs.env[absl::StrCat(member.role, ".", name)] = std::move(value);
      }
    }
    inputs.layout = base::DumpJson(layout);
  }
  return inputs;
}

bool AnyCommandRunsPython(const Node& node) {
  if (RunsPython(node.command.shell) || RunsPython(absl::StrJoin(node.command.argv, " "))) {
    return true;
  }
  if (!node.distributed_job) return false;
  for (const Member& member : node.distributed_job->members) {
    if (member.command && RunsPython(*member.command)) return true;
  }
  return false;
}

struct CacheSettings {
  bool enable = false;
  std::int64_t max_expired_seconds = -1;
  std::vector<FsScope> scopes;
};

CacheSettings Settings(const StartRequest& request) {
  const CacheOptions& node = request.node->cache;
  const CacheOptions& global = request.pipeline->cache;
  CacheSettings settings;
  settings.enable = node.enable.value_or(global.enable.value_or(false));
  settings.max_expired_seconds =
      node.max_expired_seconds.value_or(global.max_expired_seconds.value_or(-1));
  settings.scopes = node.fs_scope;
  settings.scopes.insert(settings.scopes.end(), global.fs_scope.begin(), global.fs_scope.end());
  if (request.node->kind == NodeKind::kPostProcess) settings.enable = false;
  return settings;
}

// The folder that the run belongs to.
const std::string& RunsFolder(const StartRequest& request) {
  return request.working_directory.empty() ? request.run_folder : request.working_directory;
}

std::vector<SeenFileSystem> Seen(const StartRequest& request) {
  static const auto& none = *new FileSystemFolders;
  return SeenFileSystems(*request.pipeline, *request.node,
                         request.file_systems == nullptr ? none : *request.file_systems,
                         RunsFolder(request));
}

// Snapshot paths start at the run's folder, paths of cache scopes at their file system.
std::vector<CodePath> CodePaths(const StartRequest& request, const CacheSettings& settings) {
  std::vector<CodePath> paths;
  for (const std::string& path : request.node->snapshot_paths) {
    paths.push_back({path, base::JoinPath(RunsFolder(request), path)});
  }
  const std::vector<SeenFileSystem> seen = Seen(request);
  for (const FsScope& scope : settings.scopes) {
    std::string root = RunsFolder(request);
    for (const SeenFileSystem& one : seen) {
      if (one.file_system->name == scope.name) root = one.root;
    }
    for (const std::string& path : scope.paths) {
      const std::size_t start = path.find_first_not_of('/');
      paths.push_back(
          {absl::StrCat(scope.name, ":", path),
           start == std::string::npos ? root : base::JoinPath(root, path.substr(start))});
    }
  }
  return paths;
}

std::int64_t CodeBytes(const std::vector<CodePath>& paths, std::int64_t budget) {
  std::int64_t bytes = 0;
  for (const CodePath& code : paths) bytes += SizeUpTo(code.path, budget);
  return bytes;
}

// What a step sees of its file systems, without where that is on this machine.
std::vector<KeyPart> FileSystemParts(const StartRequest& request) {
  std::vector<KeyPart> parts;
  for (const SeenFileSystem& one : Seen(request)) {
    const FileSystem& file_system = *one.file_system;
    parts.push_back({"file system", file_system.name,
                     base::DumpJson(Json({{"sub_path", file_system.sub_path},
                                          {"mount_path", file_system.mount_path},
                                          {"read_only", file_system.read_only}}))});
  }
  return parts;
}

// Fills report, hit and key. False: the budget is too small.
absl::StatusOr<bool> AskCache(const StartRequest& request, const Filler& filler,
                              store::Store& store, std::int64_t budget, StartDecision& decision) {
  const CacheSettings settings = Settings(request);
  if (!settings.enable) {
    decision.report.outcome = "disabled";
    decision.report.reason = "cache is off for this step";
    return true;
  }
  const std::vector<CodePath> code = CodePaths(request, settings);
  if (budget != kNoBudget && CodeBytes(code, budget) > budget) return false;
  ASSIGN_OR_RETURN(KeyInputs inputs, MakeKeyInputs(request, filler));
  ASSIGN_OR_RETURN(inputs.code, DigestCode(code, request.state_folder));
  inputs.file_systems = FileSystemParts(request);
  inputs.source = request.pipeline->source_digest;
  job::Interpreter interpreter;
  const std::vector<std::string>& imports = request.node->python_imports;
  // Inside an image it is the image's, which is part of the key.
  if (!InImage(request) && (!imports.empty() || AnyCommandRunsPython(*request.node))) {
    // Without wishes the command takes the python3 of the PATH, wherever it is started.
    const std::string where = imports.empty() ? "/" : request.working_directory;
    const std::string question = absl::StrCat(absl::StrJoin(imports, ","), "\n", where);
    if (budget != kNoBudget && !KnownInterpreters::Has(question)) return false;
    ASSIGN_OR_RETURN(interpreter, job::FindInterpreter(imports, where));
    KnownInterpreters::Add(question);
    inputs.interpreter = &interpreter;
  }
  const std::vector<KeyPart> parts = CacheKeyParts(inputs);
  decision.cache_key = CacheKey(parts);
  const CacheQuestion question{.project = request.project,
                               .pipeline = request.pipeline->name,
                               .step_name = request.step_name,
                               .key = decision.cache_key,
                               .parts = ShowParts(parts),
                               .notes = request.notes,
                               .max_expired_seconds = settings.max_expired_seconds,
                               .failures = request.pipeline->compat};
  ASSIGN_OR_RETURN(std::optional<CacheAnswer> answer, LookUpCache(store, question, budget));
  if (!answer) return false;
  decision.hit = std::move(answer->hit);
  decision.latest_is_this = answer->latest_is_this;
  decision.report = std::move(answer->report);
  return true;
}

// A step works on its main file system, else on the first extra one, else in the run's folder.
void PlaceOnFileSystems(const StartRequest& request, job::JobSpec& spec) {
  const std::vector<SeenFileSystem> seen = Seen(request);
  const auto switched_off = spec.env.find("PF_MOUNT_PATH");
  const bool stay = switched_off != spec.env.end() && switched_off->second == "NONE";
  spec.working_directory = seen.empty() || stay ? RunsFolder(request) : seen[0].folder;
  spec.env["PF_WORK_DIR"] = spec.working_directory;
  // From the last to the first, so that a step's own wins over the pipeline's.
  for (auto one = seen.rbegin(); one != seen.rend(); ++one) {
    spec.env[FileSystemVariable(one->file_system->name)] = one->folder;
  }
}

// What a step in an image sees of this machine.
void ShareFolders(const StartRequest& request, job::JobSpec& spec) {
  spec.folders.push_back({.path = request.run_folder});
  for (const SeenFileSystem& one : Seen(request)) {
    const FileSystem& file_system = *one.file_system;
    spec.folders.push_back({.path = one.folder, .read_only = file_system.read_only});
    if (file_system.mount_path.size() < 2) continue;
    spec.folders.push_back(
        {.path = one.folder, .inside = file_system.mount_path, .read_only = file_system.read_only});
  }
  for (const auto& [name, artifacts] : request.inputs) {
    for (const Artifact& artifact : artifacts) {
      spec.folders.push_back({.path = artifact.path, .read_only = true});
    }
  }
}

// What would make the step fail in a way that says nothing about file systems.
absl::Status CheckFileSystems(const StartRequest& request, const job::JobSpec& spec) {
  std::error_code error;
  for (const SeenFileSystem& one : Seen(request)) {
    const FileSystem& file_system = *one.file_system;
    const std::string path =
        absl::StrCat(request.node_path, ": file system \"", file_system.name, "\"");
    if (!std::filesystem::is_directory(one.root, error)) {
      return At(file_system.place, path,
                absl::FailedPreconditionError(
                    absl::StrCat("its folder ", one.root, " is not there; is it mounted?")));
    }
    if (one.main) RETURN_IF_ERROR(ToAbsl(base::MakeFolders(one.folder)));
    if (!std::filesystem::is_directory(one.folder, error)) {
      return At(file_system.place, path,
                absl::FailedPreconditionError(absl::StrCat("its sub_path \"", file_system.sub_path,
                                                           "\" is not in ", one.root)));
    }
    // Processes of this machine see no mount paths.
    if (InImage(request) || file_system.mount_path.size() < 2 ||
        std::filesystem::is_directory(file_system.mount_path, error)) {
      continue;
    }
    for (const job::Role& role : spec.roles) {
      for (const std::string& word : role.argv) {
        if (word.find(file_system.mount_path) == std::string::npos) continue;
        return At(file_system.place, path,
                  absl::FailedPreconditionError(absl::StrCat(
                      "the command names its mount_path ", file_system.mount_path,
                      ", which is not on this machine; use $", FileSystemVariable(file_system.name),
                      ", which is ", one.folder)));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Decide(const StartRequest& request, store::Store& store, std::int64_t budget,
                            StartDecision& decision) {
  const Node& node = *request.node;
  const Filler filler(request);
  RETURN_IF_ERROR(FillRoles(request, filler, decision));
  job::JobSpec& spec = decision.spec;
  ASSIGN_OR_RETURN(spec.env, filler.Env(node.env, request.node_path, false));
  ASSIGN_OR_RETURN(const bool decided, AskCache(request, filler, store, budget, decision));
  if (!decided) return false;

  for (const auto& [name, value] : filler.system()) spec.env[name] = value;
  for (const auto& [name, artifacts] : request.inputs) {
    spec.env[absl::StrCat("PF_INPUT_ARTIFACT_", absl::AsciiStrToUpper(name))] =
        JoinedPaths(artifacts);
  }
  for (const auto& [name, path] : request.output_paths) {
    spec.env[absl::StrCat("PF_OUTPUT_ARTIFACT_", absl::AsciiStrToUpper(name))] = path;
  }
  PlaceOnFileSystems(request, spec);
  spec.env["REGATTA_RUN_DIR"] = request.run_folder;
  decision.env = spec.env;
  for (const job::Role& role : spec.roles) {
    for (const auto& [name, value] : role.env) {
      decision.env[absl::StrCat(role.name, ".", name)] = value;
    }
  }
  for (auto& [name, value] : decision.env) {
    if (IsSecretName(name) && !value.empty()) value = "***";
  }
  if (decision.hit) return true;

  spec.id = request.job_id;
  spec.name = absl::StrCat(request.run_name, ".", request.step_name);
  spec.project = request.project;
  spec.created_by = request.created_by;
  spec.directory = request.job_folder;
  spec.python_imports = node.python_imports;
  ShareFolders(request, spec);
  if (node.grace) spec.grace = *node.grace;
  if (node.timeout) spec.timeout = *node.timeout;
  // Here and not later: once the job may have been launched, what lies there is its own.
  for (const auto& [name, path] : request.output_paths) RETURN_IF_ERROR(PrepareOutput(path));
  RETURN_IF_ERROR(ToAbsl(base::MakeFolders(request.run_folder)));
  RETURN_IF_ERROR(CheckFileSystems(request, spec));
  return true;
}

}  // namespace

std::optional<StartDecision> DecideStart(const StartRequest& request, store::Store& store,
                                         std::int64_t budget) {
  StartDecision decision;
  auto decided = Decide(request, store, budget, decision);
  if (decided.ok() && !*decided) return std::nullopt;
  decision.status = decided.status();
  return decision;
}

job::JobSpec JobSpecFrom(const Json& json) {
  job::JobSpec spec;
  spec.id = json.value("id", "");
  spec.name = json.value("name", "");
  spec.project = json.value("project", "default");
  spec.created_by = json.value("created_by", "");
  spec.framework = static_cast<job::Framework>(json.value("framework", 0));
  for (const Json& item : json.value("roles", Json::array())) {
    job::Role role;
    role.name = item.value("name", "worker");
    role.replicas = item.value("replicas", 1);
    role.argv = item.value("argv", std::vector<std::string>());
    role.env = item.value("env", std::map<std::string, std::string>());
    role.image = item.value("image", "");
    role.resources = {item.value("cpus", 0.0), item.value("memory_bytes", std::int64_t{0})};
    spec.roles.push_back(std::move(role));
  }
  spec.env = json.value("env", std::map<std::string, std::string>());
  spec.working_directory = json.value("working_directory", "");
  spec.directory = json.value("directory", "");
  spec.python_imports = json.value("python_imports", std::vector<std::string>());
  for (const Json& folder : json.value("folders", Json::array())) {
    spec.folders.push_back({.path = folder.value("path", ""),
                            .inside = folder.value("inside", ""),
                            .read_only = folder.value("read_only", false)});
  }
  spec.grace = std::chrono::milliseconds(json.value("grace_ms", std::int64_t{10'000}));
  spec.timeout = std::chrono::milliseconds(json.value("timeout_ms", std::int64_t{0}));
  return spec;
}

}  // namespace regatta::flow

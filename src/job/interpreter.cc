#include "job/interpreter.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/json.h"
#include "base/sha256.h"
#include "job/env/contract.h"
#include "job/probe.h"
#include "job/python_path.h"

namespace regatta::job {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kProbeTimeout(30);

// find_spec instead of import: importing torch takes seconds. It imports the parents of a dotted
// name, and may thereby raise anything. A folder without code (a namespace package, as an empty
// folder `torch` in the working directory is) does not count, nor a module whose file is gone.
constexpr char kProbe[] = R"py(
import importlib.metadata, importlib.util, json, os, platform, sys
missing = []
for name in sys.argv[1:]:
    try:
        spec = importlib.util.find_spec(name)
    except Exception as error:
        missing.append("%s (%s: %s)" % (name, type(error).__name__, error))
        continue
    if spec is None:
        missing.append("no module " + name)
    elif spec.loader is None or spec.origin is None:
        missing.append("%s is a folder without code" % name)
    elif spec.has_location and not os.path.exists(spec.origin):
        missing.append("%s has lost its file %s" % (name, spec.origin))
found = set()
for each in importlib.metadata.distributions():
    name = each.metadata["Name"]
    if name:
        found.add("%s==%s" % (name, each.version))
print(json.dumps({"path": sys.executable, "version": platform.python_version(),
                  "missing": missing, "packages": sorted(found)}))
)py";

struct Candidate {
  std::string path;
  std::string origin;  // for people: "$REGATTA_PYTHON", ".venv of /work"
};

struct Answer {
  std::optional<Interpreter> interpreter;
  std::string problem;  // what it lacks
};

bool IsExecutable(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && access(path.c_str(), X_OK) == 0;
}

std::string OnPath(const std::string& name) {
  const char* const path = std::getenv("PATH");
  std::string folder;
  for (const char* at = path == nullptr ? "" : path;; ++at) {
    if (*at != ':' && *at != '\0') {
      folder += *at;
      continue;
    }
    if (!folder.empty() && IsExecutable(fs::path(folder) / name)) return fs::path(folder) / name;
    folder.clear();
    if (*at == '\0') return "";
  }
}

std::vector<Candidate> Candidates(const std::string& working_directory) {
  std::vector<Candidate> all;
  const auto add = [&all](const std::string& path, const std::string& origin) {
    const auto same = [&path](const Candidate& other) { return other.path == path; };
    if (!path.empty() && std::ranges::none_of(all, same)) all.push_back({path, origin});
  };
  if (const char* given = std::getenv("REGATTA_PYTHON"); given != nullptr && *given != '\0') {
    const std::string text = given;
    add(text.find('/') == std::string::npos ? OnPath(text) : text, "$REGATTA_PYTHON");
  }
  for (fs::path folder = working_directory; !folder.empty(); folder = folder.parent_path()) {
    if (IsExecutable(folder / ".venv/bin/python3")) {
      add(folder / ".venv/bin/python3", ".venv of " + folder.string());
    }
    if (folder == folder.root_path()) break;
  }
  if (const char* active = std::getenv("VIRTUAL_ENV"); active != nullptr && *active != '\0') {
    add(fs::path(active) / "bin/python3", "$VIRTUAL_ENV");
  }
  add(OnPath("python3"), "python3 on the PATH");
  add("/usr/bin/python3", "the system's python3");
  return all;
}

Answer Ask(const Candidate& candidate, const std::vector<std::string>& imports,
           const std::string& working_directory) {
  std::vector<std::string> argv = {candidate.path, "-c", kProbe};
  argv.insert(argv.end(), imports.begin(), imports.end());
  Env env = InheritedEnv();
  AddRegattaPythonPath(&env);
  const absl::StatusOr<std::string> output = RunProbe(argv, env, working_directory, kProbeTimeout);
  if (!output.ok()) return {.problem = std::string(output.status().message())};
  // A start-up file (sitecustomize) may print before it: the answer is the last line.
  std::string text = *output;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  text = text.substr(text.rfind('\n') + 1);
  const base::Result<base::Json> json = base::ParseJson(text);
  if (!json.ok() || !json->is_object()) return {.problem = "does not answer like a Python"};
  try {
    const auto missing = json->at("missing").get<std::vector<std::string>>();
    if (!missing.empty()) return {.problem = absl::StrJoin(missing, ", ")};
    base::Sha256 digest;
    for (const base::Json& package : json->at("packages")) {
      digest.Update(package.get<std::string>() + "\n");
    }
    const std::string path = json->at("path").get<std::string>();
    return {.interpreter = Interpreter{.path = path.empty() ? candidate.path : path,
                                       .version = json->at("version").get<std::string>(),
                                       .packages_digest = digest.HexDigest()}};
  } catch (const base::Json::exception&) {
    return {.problem = "does not answer like a Python"};
  }
}

// Each question is asked once; who asks the same meanwhile waits for that answer.
Answer AskOnce(const Candidate& candidate, const std::vector<std::string>& imports,
               const std::string& working_directory) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_future<Answer>> answers;
  const std::string key =
      absl::StrJoin({candidate.path, working_directory, absl::StrJoin(imports, "\n")}, "\n");
  std::promise<Answer> promise;
  std::shared_future<Answer> answer;
  bool ours = false;
  {
    const std::lock_guard lock(mutex);
    const auto at = answers.find(key);
    if (at != answers.end()) {
      answer = at->second;
    } else {
      answer = promise.get_future().share();
      answers.emplace(key, answer);
      ours = true;
    }
  }
  if (ours) promise.set_value(Ask(candidate, imports, working_directory));
  return answer.get();
}

}  // namespace

absl::StatusOr<Interpreter> FindInterpreter(const std::vector<std::string>& imports,
                                            const std::string& working_directory) {
  std::vector<std::string> passed;
  for (const Candidate& candidate : Candidates(working_directory)) {
    const Answer answer = AskOnce(candidate, imports, working_directory);
    if (!answer.interpreter) {
      passed.push_back(candidate.path + " (" + candidate.origin + "): " + answer.problem);
      continue;
    }
    Interpreter chosen = *answer.interpreter;
    chosen.why = imports.empty() ? "first that runs"
                                 : "first that can import " + absl::StrJoin(imports, ", ");
    absl::StrAppend(&chosen.why, "; ", candidate.origin);
    for (const std::string& each : passed) absl::StrAppend(&chosen.why, "; passed over ", each);
    return chosen;
  }
  const std::string wanted =
      imports.empty() ? "be started" : "import " + absl::StrJoin(imports, ", ");
  return absl::FailedPreconditionError(absl::StrCat(
      "no Python can ", wanted, ". Tried: ", absl::StrJoin(passed, "; "),
      ". Install what is missing for one of them, or name a Python in $REGATTA_PYTHON"));
}

}  // namespace regatta::job

#include "train/hvdrun.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "cli/commands/commands.h"
#include "job/python_path.h"

namespace regatta::cli {
namespace {

// The package that belongs to this program, and its stand-in for `horovod`, before what is there.
std::string PythonPath() {
  const std::string package = job::RegattaPythonPath();
  const char* present = std::getenv("PYTHONPATH");
  std::string path = present == nullptr ? "" : present;
  if (package.empty()) return path;
  const std::string ours = absl::StrCat(package, "/regatta/hvd/shim/packages:", package);
  return path.empty() ? ours : absl::StrCat(ours, ":", path);
}

// Becomes `python3 -m regatta.hvd.run`; returns only when that fails.
int RunInPython(std::vector<std::string> words) {
  ::setenv("PYTHONPATH", PythonPath().c_str(), 1);
  words.insert(words.begin(), {"python3", "-m", "regatta.hvd.run"});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  return Fail(absl::NotFoundError(absl::StrCat("cannot run python3: ", std::strerror(errno))));
}

// Elastic jobs have their launcher in the Python package. It starts ranks on this machine only, and
// refuses other hosts by name.
int RunElastic(const train::HvdrunOptions& options) {
  if (!options.host_file.empty() || options.timestamp || options.reset_limit) {
    return Fail(absl::InvalidArgumentError(
        "--hostfile, --prefix-timestamp and --reset-limit are not for elastic jobs so far"));
  }
  std::vector<std::string> words;
  const auto add = [&](const char* flag, const std::string& value) {
    words.insert(words.end(), {flag, value});
  };
  if (options.size > 0) add("-np", std::to_string(options.size));
  if (!options.hosts.empty()) add("-H", options.hosts);
  for (const std::string& variable : options.variables) add("-x", variable);
  if (options.verbose) words.emplace_back("--verbose");
  if (!options.output_folder.empty()) add("--output-filename", options.output_folder);
  if (!options.prefix) words.emplace_back("--disable-prefix");
  if (options.min_size) add("--min-np", std::to_string(*options.min_size));
  if (options.max_size) add("--max-np", std::to_string(*options.max_size));
  if (!options.discovery_script.empty()) add("--host-discovery-script", options.discovery_script);
  add("--slots-per-host", std::to_string(options.slots_per_host));
  if (options.cooldown.size() == 2) {
    add("--blacklist-cooldown-range", absl::StrCat(options.cooldown[0]));
    words.push_back(absl::StrCat(options.cooldown[1]));
  }
  add("--elastic-timeout", absl::StrCat(options.patience));
  words.emplace_back("--");
  words.insert(words.end(), options.command.begin(), options.command.end());
  // The ranks inherit them.
  for (const std::string& setting : options.settings) {
    const auto equals = setting.find('=');
    ::setenv(setting.substr(0, equals).c_str(), setting.substr(equals + 1).c_str(), 1);
  }
  return RunInPython(std::move(words));
}

// Only Python knows which frameworks it can import.
int CheckBuild() { return RunInPython({"--check-build"}); }

}  // namespace

int RunRanks(const Invocation& call, const base::Config&) {
  if (call.check_build) return CheckBuild();
  if (call.hvdrun.elastic()) return RunElastic(call.hvdrun);
  train::HvdrunOptions options = call.hvdrun;
  std::vector<std::string> first = {"PYTHONUNBUFFERED=1"};
  if (const std::string path = PythonPath(); !path.empty()) {
    first.push_back("PYTHONPATH=" + path);
  }
  if (options.verbose) first.push_back("HOROVOD_LOG_LEVEL=info");
  options.settings.insert(options.settings.begin(), first.begin(), first.end());
  if (const char* set = std::getenv("HOROVOD_GLOO_IFACE");
      set != nullptr && options.interface.empty()) {
    options.interface = set;
  }
  const auto code = train::RunHvdrun(options);
  return code.ok() ? *code : Fail(ToAbsl(code.status()));
}

}  // namespace regatta::cli

#include "train/hvdrun.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
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

// Only Python knows which frameworks it can import.
int CheckBuild() {
  ::setenv("PYTHONPATH", PythonPath().c_str(), 1);
  ::execlp("python3", "python3", "-m", "regatta.hvd.run", "--check-build", nullptr);
  return Fail(absl::NotFoundError(absl::StrCat("cannot run python3: ", std::strerror(errno))));
}

}  // namespace

int RunRanks(const Invocation& call, const base::Config&) {
  if (call.check_build) return CheckBuild();
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

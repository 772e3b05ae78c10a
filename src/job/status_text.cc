#include <signal.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "job/local_executor.h"

namespace regatta::job {
namespace {

std::string DescribeError(const Job& job, const Member& member, const ExitRecord& ending) {
  const std::string why = std::strerror(ending.value);
  const std::string& command = member.role->argv[0];
  if (ending.result == "chdir") {
    return absl::StrCat("cannot start in ", job.spec.working_directory, ": ", why);
  }
  if (ending.result == "exec") {
    if (ending.value == ENOENT && command.find('/') == std::string::npos) {
      std::string path = "(not set)";
      if (const char* ours = getenv("PATH")) path = ours;
      if (const auto at = job.spec.env.find("PATH"); at != job.spec.env.end()) path = at->second;
      if (const auto at = member.role->env.find("PATH"); at != member.role->env.end()) {
        path = at->second;
      }
      if (!job.python_folder.empty()) path = job.python_folder + ":" + path;
      return absl::StrCat("cannot start '", command, "': not found on PATH=", path);
    }
    return absl::StrCat("cannot start '", command, "': ", why);
  }
  return absl::StrCat("cannot start '", command, "': ", ending.result, ": ", why);
}

}  // namespace

std::string SignalName(int signal) {
  const char* const name = sigabbrev_np(signal);
  if (name == nullptr) return absl::StrCat("signal ", signal);
  return absl::StrCat("SIG", name, " (", signal, ")");
}

std::string NameReplica(const ReplicaStatus& replica) {
  std::string text = absl::StrCat("rank ", replica.rank, " (", replica.role, " ", replica.index);
  if (replica.pid != 0) absl::StrAppend(&text, ", pid ", replica.pid);
  return text + ")";
}

std::string DescribeEnding(const Job& job, const Member& member, const ExitRecord& ending) {
  if (ending.stop == "timeout") {
    return absl::StrCat("timed out after ", base::FormatDuration(job.spec.timeout.count() * 1000),
                        " and was stopped");
  }
  if (ending.stop == "signal") return "was stopped by a SIGTERM to its shim from outside";
  if (ending.result == "code") return absl::StrCat("failed with exit code ", ending.value);
  if (ending.result != "signal") return DescribeError(job, member, ending);
  std::string text = absl::StrCat("was killed by ", SignalName(ending.value));
  if (ending.out_of_memory) {
    absl::StrAppend(&text, ": out of memory, its limit is ",
                    member.role->resources.memory_bytes >> 20, " MiB");
  }
  return text;
}

}  // namespace regatta::job

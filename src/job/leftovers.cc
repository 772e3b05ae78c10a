#include "job/leftovers.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"

namespace regatta::job {
namespace {

bool Carries(pid_t pid, const std::string& job, const std::string& rank) {
  const base::Result<std::string> env = base::ReadFile("/proc/" + std::to_string(pid) + "/environ");
  if (!env.ok()) return false;
  const std::string text = std::string(1, '\0') + *env;
  const auto has = [&text](const std::string& entry) {
    return text.find(std::string(1, '\0') + entry + '\0') != std::string::npos;
  };
  return has("REGATTA_JOB_ID=" + job) && has("REGATTA_RANK=" + rank);
}

int KillOnce(const std::string& job, const std::string& rank) {
  int found = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const pid_t pid = static_cast<pid_t>(std::atol(entry.path().filename().c_str()));
    if (pid <= 0 || pid == getpid()) continue;
    // First a hold on the process, then the look: the pid cannot become another's in between.
    const base::UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!process.valid() || !Carries(pid, job, rank)) continue;
    syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
    ++found;
  }
  return found;
}

}  // namespace

int KillLeftovers(const std::string& job, int rank) {
  // A killed process is listed, without environment, until it is reaped: it is not found again.
  int total = 0;
  for (int round = 0; round < 20; ++round) {
    const int found = KillOnce(job, std::to_string(rank));
    if (found == 0) break;
    total += found;
  }
  return total;
}

}  // namespace regatta::job

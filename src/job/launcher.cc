#include "job/launcher.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/absl_status.h"
#include "job/shim/shim.h"
#include "job/shim_image.h"

namespace regatta::job {
namespace {

std::string Encode(const ShimRequest& request) {
  std::string out("regatta-shim-request 1");
  out += '\0';
  const auto add = [&out](const char* key, const std::string& value) {
    out.append(key).append("=").append(value) += '\0';
  };
  add("job", request.job);
  add("folder", request.folder);
  add("cwd", request.working_directory);
  add("cgroup", request.cgroup);
  add("rank", std::to_string(request.rank));
  add("engine", std::to_string(getpid()));
  add("grace_ms", std::to_string(request.grace_ms));
  add("timeout_ms", std::to_string(request.timeout_ms));
  add("log_bytes", std::to_string(request.log_bytes));
  for (const std::string& arg : request.argv) add("arg", arg);
  for (const auto& [name, value] : request.env) add("env", name + "=" + value);
  return out;
}

class SpawnSettings {
 public:
  SpawnSettings(int request_fd, int status_fd) {
    posix_spawn_file_actions_init(&actions_);
    for (const int fd : {0, 1, 2}) {
      posix_spawn_file_actions_addopen(&actions_, fd, "/dev/null", O_RDWR, 0);
    }
    posix_spawn_file_actions_adddup2(&actions_, request_fd, shim::kRequestFd);
    posix_spawn_file_actions_adddup2(&actions_, status_fd, shim::kStatusFd);
    posix_spawnattr_init(&attributes_);
    // Blocked from its first instruction on: a stop that comes early waits until it can be obeyed.
    sigset_t blocked;
    sigemptyset(&blocked);
    for (const int number : {SIGTERM, SIGUSR1, SIGCHLD}) sigaddset(&blocked, number);
    posix_spawnattr_setsigmask(&attributes_, &blocked);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// The same descriptor at a number that the shim's own (3 and 4) cannot collide with.
base::UniqueFd MoveUp(base::UniqueFd fd) {
  if (fd.get() > shim::kStatusFd) return fd;
  return base::UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, shim::kStatusFd + 1));
}

}  // namespace

absl::StatusOr<StartedShim> StartShim(const ShimRequest& request) {
  ASSIGN_OR_RETURN(const int image, ToAbsl(ShimImage()));
  const std::string what =
      "cannot start the shim of rank " + std::to_string(request.rank) + " of job " + request.job;
  base::UniqueFd request_fd = MoveUp(base::UniqueFd(memfd_create("request", MFD_CLOEXEC)));
  int ends[2];
  if (!request_fd.valid() || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return ToAbsl(base::ErrnoStatus(errno, what));
  }
  StartedShim started;
  started.status = base::UniqueFd(ends[0]);
  const base::UniqueFd status_fd = MoveUp(base::UniqueFd(ends[1]));
  RETURN_IF_ERROR(ToAbsl(base::WriteAll(request_fd.get(), Encode(request), "the shim's request")));

  std::string rank = std::to_string(request.rank);
  std::string job = request.job;
  char name[] = "regatta";
  char subcommand[] = "shim";
  char* argv[] = {name, subcommand, job.data(), rank.data(), nullptr};
  std::string fault;  // tests arm fault points in the shim by the environment; release ignores it
  if (const char* armed = std::getenv("REGATTA_FAULT"))
    fault = std::string("REGATTA_FAULT=") + armed;
  char* envp[] = {fault.empty() ? nullptr : fault.data(), nullptr};
  const std::string path = "/proc/self/fd/" + std::to_string(image);
  const SpawnSettings settings(request_fd.get(), status_fd.get());
  const int error = posix_spawn(&started.pid, path.c_str(), settings.actions(),
                                settings.attributes(), argv, envp);
  if (error != 0) return ToAbsl(base::ErrnoStatus(error, what));
  // Our own child, not yet waited for: the pid cannot have been reused.
  started.process = base::UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, started.pid, 0)));
  if (!started.process.valid()) return ToAbsl(base::ErrnoStatus(errno, what));
  return started;
}

}  // namespace regatta::job

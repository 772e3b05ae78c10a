#include "job/probe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/clock.h"
#include "base/file.h"

namespace regatta::job {
namespace {

constexpr std::size_t kOutputLimit = 16u << 20;

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

constexpr base::Micros kCancelEvery = 100'000;

// Reads both pipes until they end. False at the deadline, when cancelled, or when there is too
// much.
bool Drain(base::UniqueFd (&pipes)[2], std::string (&texts)[2], base::Micros deadline,
           const std::atomic<bool>* cancel) {
  while (pipes[0].valid() || pipes[1].valid()) {
    const base::Micros left = deadline - base::MonotonicMicros();
    if (left <= 0 || (cancel != nullptr && *cancel)) return false;
    const base::Micros wait = cancel == nullptr ? left : std::min(left, kCancelEvery);
    pollfd fds[2] = {{pipes[0].get(), POLLIN, 0}, {pipes[1].get(), POLLIN, 0}};
    poll(fds, 2, static_cast<int>(wait / 1000 + 1));
    for (int i = 0; i < 2; ++i) {
      if (fds[i].revents == 0) continue;
      char buffer[16 << 10];
      const ssize_t got = read(pipes[i].get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        pipes[i].Reset();
        continue;
      }
      texts[i].append(buffer, static_cast<std::size_t>(got));
      if (texts[i].size() > kOutputLimit) return false;
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<std::string> RunProbe(const std::vector<std::string>& argv,
                                     const std::map<std::string, std::string>& env,
                                     const std::string& working_directory,
                                     std::chrono::milliseconds timeout,
                                     const std::atomic<bool>* cancel) {
  int out[2];
  int err[2];
  if (pipe2(out, O_CLOEXEC) != 0) return ToAbsl(base::ErrnoStatus(errno, "cannot make a pipe"));
  base::UniqueFd pipes[2] = {base::UniqueFd(out[0]), {}};
  base::UniqueFd out_end(out[1]);
  if (pipe2(err, O_CLOEXEC) != 0) return ToAbsl(base::ErrnoStatus(errno, "cannot make a pipe"));
  pipes[1] = base::UniqueFd(err[0]);
  base::UniqueFd err_end(err[1]);

  std::vector<std::string> args = argv;
  std::vector<std::string> variables;
  for (const auto& [name, value] : env) variables.push_back(name + "=" + value);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out_end.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, err_end.get(), 2);
  if (!working_directory.empty()) {
    posix_spawn_file_actions_addchdir_np(&actions, working_directory.c_str());
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A session of its own, to be ended with whatever it starts; none of our blocked signals.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, argv[0].c_str(), &actions, &attributes, Pointers(args).data(),
                                Pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  out_end.Reset();
  err_end.Reset();
  if (error != 0) return ToAbsl(base::ErrnoStatus(error, "cannot be started"));

  std::string texts[2];
  const bool whole =
      Drain(pipes, texts,
            base::MonotonicMicros() +
                std::chrono::duration_cast<std::chrono::microseconds>(timeout).count(),
            cancel);
  // Both pipes have ended when it is about to exit by itself: only a hung one is killed.
  if (!whole) kill(-pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!whole && cancel != nullptr && *cancel) return absl::CancelledError("was cancelled");
  if (!whole) return absl::DeadlineExceededError("did not answer in time");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return texts[0];
  constexpr std::size_t kShown = 300;
  const std::string& said = texts[1];
  return absl::UnknownError(
      absl::StrCat("fails: ", said.substr(said.size() - std::min(kShown, said.size()))));
}

}  // namespace regatta::job

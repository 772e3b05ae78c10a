#include "job/shim/records.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "job/shim/process_tree.h"
#include "job/shim/shim.h"

namespace regatta::job::shim {
namespace {

constexpr std::size_t kExitFileBytes = 1024;

bool WriteWhole(int fd, const char* data, std::size_t size) {
  return write(fd, data, size) == static_cast<ssize_t>(size);
}

void ReadBootId(char* out, std::size_t size) {
  out[0] = '\0';
  const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  const ssize_t got = read(fd, out, size - 1);
  close(fd);
  out[got > 0 ? got : 0] = '\0';
  if (char* end = std::strchr(out, '\n')) *end = '\0';
}

}  // namespace

int Records::TakeToken() {
  const int rank = static_cast<int>(request_.rank);
  char token[64];
  char draft[96];
  char ending[64];
  std::snprintf(token, sizeof token, "shim/rank-%d.token", rank);
  std::snprintf(draft, sizeof draft, "%s.%d", token, static_cast<int>(getpid()));
  std::snprintf(ending, sizeof ending, "shim/rank-%d.exit", rank);

  // Linked into place already locked: nobody ever sees a token that is not held and not released.
  token_fd_ = open(draft, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  if (token_fd_ < 0 || flock(token_fd_, LOCK_EX | LOCK_NB) != 0) return kCannotWrite;
  char boot[64];
  ReadBootId(boot, sizeof boot);
  char text[4608];
  const int length = std::snprintf(
      text, sizeof text, "regatta-token 1\njob %s\nboot %s\ncgroup %s\nshim %d %llu\n",
      request_.job, boot, request_.cgroup, static_cast<int>(getpid()), StartTime(getpid()));
  const bool fits = length > 0 && static_cast<std::size_t>(length) < sizeof text;
  if (!fits || !WriteWhole(token_fd_, text, static_cast<std::size_t>(length))) {
    unlink(draft);
    return kCannotWrite;
  }
  // An engine that died since must not be acted for: its successor may have chosen other ports.
  if (getppid() != request_.engine || link(draft, token) != 0) {
    unlink(draft);
    return kNotMine;
  }
  unlink(draft);

  // Room for the ending is taken now, so that a disk that fills up meanwhile cannot hide it.
  exit_fd_ = open(ending, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  char blank[kExitFileBytes];
  std::memset(blank, '\n', sizeof blank);
  if (exit_fd_ < 0 || !WriteWhole(exit_fd_, blank, sizeof blank)) return kCannotWrite;

  const int folder_fd = open("shim", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = folder_fd >= 0 && fsync(folder_fd) == 0;
  if (folder_fd >= 0) close(folder_fd);
  return synced ? kDone : kCannotWrite;
}

void Records::NoteChild(pid_t pid) {
  char text[64];
  const int length =
      std::snprintf(text, sizeof text, "child %d %llu\n", static_cast<int>(pid), StartTime(pid));
  // On a full disk the line is missing: the pid is then unknown to a later engine, nothing worse.
  (void)!write(token_fd_, text, static_cast<std::size_t>(length));
}

bool Records::WriteEnding(const Ending& ending, pid_t child) {
  char text[kExitFileBytes];
  const std::int64_t user =
      ending.usage.ru_utime.tv_sec * INT64_C(1'000'000) + ending.usage.ru_utime.tv_usec;
  const std::int64_t system =
      ending.usage.ru_stime.tv_sec * INT64_C(1'000'000) + ending.usage.ru_stime.tv_usec;
  int result = 0;
  const char* kind = "code";
  if (ending.error_phase[0] != '\0') {
    kind = ending.error_phase;
    result = ending.error_number;
  } else if (WIFSIGNALED(ending.wait_status)) {
    kind = "signal";
    result = WTERMSIG(ending.wait_status);
  } else {
    result = WEXITSTATUS(ending.wait_status);
  }
  const int length = std::snprintf(
      text, sizeof text,
      "regatta-exit 1\nresult %s %d\npid %d\nstop %s\nstarted %" PRId64 "\nfinished %" PRId64
      "\nfinished_monotonic %" PRId64 "\nelapsed %" PRId64 "\nuser %" PRId64 "\nsystem %" PRId64
      "\nmax_rss_kib %ld\nout_of_memory %d\nunkillable %d\nlog_bytes %" PRId64 "\nlog_lost %" PRId64
      "\nlog_dropped %" PRId64 "\nend\n",
      kind, result, static_cast<int>(child), StopReasonName(ending.stop_reason), ending.started,
      ending.finished, ending.finished_monotonic, ending.elapsed, user, system,
      ending.usage.ru_maxrss, ending.out_of_memory ? 1 : 0, ending.unkillable ? 1 : 0,
      ending.log_bytes, ending.log_lost, ending.log_dropped);
  return length > 0 && pwrite(exit_fd_, text, static_cast<std::size_t>(length), 0) == length &&
         fdatasync(exit_fd_) == 0;
}

}  // namespace regatta::job::shim

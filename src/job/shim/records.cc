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
  const ssize_t put = write(fd, data, size);
  if (put >= 0 && put < static_cast<ssize_t>(size)) errno = ENOSPC;
  return put == static_cast<ssize_t>(size);
}

int WhyNotWritten() { return errno == ENOSPC || errno == EDQUOT ? kDiskFull : kCannotWrite; }

// Removes a file at the end, unless it has been given its name.
class Draft {
 public:
  Draft(const char* path, pid_t pid) {
    std::snprintf(path_, sizeof path_, "%s.%d", path, static_cast<int>(pid));
  }
  ~Draft() { unlink(path_); }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  const char* path() const { return path_; }

 private:
  char path_[96];
};

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
  char ending[64];
  std::snprintf(token, sizeof token, "shim/rank-%d.token", rank);
  std::snprintf(ending, sizeof ending, "shim/rank-%d.exit", rank);
  const Draft token_draft(token, getpid());
  const Draft ending_draft(ending, getpid());

  // Room for the ending is taken now, so that a disk that fills up meanwhile cannot hide it; and
  // before the token, so that a disk that is full already leaves the rank to who tries again.
  exit_fd_ = open(ending_draft.path(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  char blank[kExitFileBytes];
  std::memset(blank, '\n', sizeof blank);
  if (exit_fd_ < 0 || !WriteWhole(exit_fd_, blank, sizeof blank)) return WhyNotWritten();

  // Linked into place already locked: nobody ever sees a token that is not held and not released.
  token_fd_ = open(token_draft.path(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  if (token_fd_ < 0) return WhyNotWritten();
  if (flock(token_fd_, LOCK_EX | LOCK_NB) != 0) return kCannotWrite;
  char boot[64];
  ReadBootId(boot, sizeof boot);
  char text[4608];
  const int length = std::snprintf(
      text, sizeof text, "regatta-token 1\njob %s\nboot %s\ncgroup %s\nshim %d %llu\n",
      request_.job, boot, request_.cgroup, static_cast<int>(getpid()), StartTime(getpid()));
  const bool fits = length > 0 && static_cast<std::size_t>(length) < sizeof text;
  if (!fits) return kCannotWrite;
  if (!WriteWhole(token_fd_, text, static_cast<std::size_t>(length))) return WhyNotWritten();
  // An engine that died since must not be acted for: its successor may have chosen other ports.
  if (getppid() != request_.engine) return kNotMine;
  if (link(token_draft.path(), token) != 0) return errno == EEXIST ? kNotMine : WhyNotWritten();
  // Until here a blank file and none mean the same.
  if (rename(ending_draft.path(), ending) != 0) return kCannotWrite;

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

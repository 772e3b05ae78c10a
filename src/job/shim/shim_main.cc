#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "base/fault.h"
#include "job/shim/log_writer.h"
#include "job/shim/process_tree.h"
#include "job/shim/records.h"
#include "job/shim/request.h"
#include "job/shim/shim.h"

namespace regatta::job::shim {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kNever = INT64_MAX;
// Left-over processes of a replica that has ended by itself get this long to end politely.
constexpr std::int64_t kLeftOverGrace = 1 * kSecond;
// A process that SIGKILL does not end hangs in the kernel (a dead disk); do not hang with it.
constexpr std::int64_t kUnkillableAfter = 30 * kSecond;

std::int64_t Now(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * kSecond + now.tv_nsec / 1000;
}

std::int64_t Earlier(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

class Shim {
 public:
  explicit Shim(const Request& request)
      : request_(request),
        records_(request),
        log_(request.rank, request.segment_bytes, request.log_bytes) {}

  int Run();

 private:
  bool Start();
  [[noreturn]] void BecomeReplica(int output, pid_t shim);
  void Watch();
  void ReadSignals();
  void Reap();
  void PumpLog();
  void Stop(int reason, bool now);
  void CheckDeadlines();
  void ReadCgroup();

  const Request& request_;
  Records records_;
  LogWriter log_;
  Ending ending_;
  int signals_ = -1;
  int log_pipe_ = -1;
  pid_t child_ = 0;
  bool child_ended_ = false;
  bool all_ended_ = false;
  std::int64_t timeout_at_ = kNever;
  std::int64_t kill_at_ = kNever;
  std::int64_t give_up_at_ = kNever;
  // Set by the replica's process between vfork and exec, in memory it shares with this one.
  const char* volatile failed_phase_ = "";
  volatile int failed_errno_ = 0;
};

void Shim::BecomeReplica(int output, pid_t shim) {
  // Runs on the parent's memory (vfork): system calls only, and every path ends in exec or _exit.
  const auto fail = [this](const char* phase) {
    failed_errno_ = errno;
    failed_phase_ = phase;
    _exit(127);
  };
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != shim) _exit(127);
  for (int number = 1; number < 32; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (request_.cgroup[0] != '\0') {
    char path[4096];
    std::snprintf(path, sizeof path, "%s/cgroup.procs", request_.cgroup);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) fail("cgroup");
  }
  if (dup2(output, 1) < 0 || dup2(output, 2) < 0) fail("fork");
  if (chdir(request_.working_directory) != 0) fail("chdir");
  environ = request_.env;  // execvp searches the replica's PATH, not ours
  execvp(request_.argv[0], request_.argv);
  fail("exec");
  _exit(127);
}

bool Shim::Start() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  log_pipe_ = ends[0];
  fcntl(log_pipe_, F_SETFL, O_NONBLOCK);
  const pid_t self = getpid();
  ending_.started = Now(CLOCK_REALTIME);
  ending_.elapsed = -Now(CLOCK_MONOTONIC);
  // The child only makes system calls before it executes the replica.
  const pid_t pid = vfork();                   // NOLINT(*-unsafe-functions,*-security*vfork)
  if (pid == 0) BecomeReplica(ends[1], self);  // NOLINT(*-unix.Vfork)
  if (pid < 0) {
    failed_errno_ = errno;
    failed_phase_ = "fork";
  }
  close(ends[1]);
  if (pid > 0) child_ = pid;
  if (failed_phase_[0] != '\0') {
    if (pid > 0) waitpid(pid, nullptr, 0);
    ending_.error_phase = failed_phase_;
    ending_.error_number = failed_errno_;
    return false;
  }
  REGATTA_FAULT("shim.after_start");
  records_.NoteChild(pid);
  char line[32];
  const int length = std::snprintf(line, sizeof line, "started %d\n", static_cast<int>(pid));
  (void)!write(kStatusFd, line, static_cast<std::size_t>(length));
  close(kStatusFd);
  return true;
}

void Shim::Stop(int reason, bool now) {
  if (child_ended_) return;  // the end is under way
  if (ending_.stop_reason == kNotStopped) ending_.stop_reason = reason;
  if (now) {
    kill_at_ = 0;
  } else if (kill_at_ == kNever) {
    kill_at_ = Now(CLOCK_MONOTONIC) + request_.grace_ms * 1000;
    SignalDescendants(getpid(), SIGTERM);
  }
}

void Shim::ReadSignals() {
  signalfd_siginfo info;
  while (read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGCHLD) continue;  // Reap() looks anyway
    const int value = info.ssi_int;
    const bool known = value == kStoppedByUser || value == kStoppedByPeer;
    Stop(known ? value : static_cast<int>(kStoppedBySignal), info.ssi_signo == SIGUSR1);
  }
}

void Shim::Reap() {
  while (true) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0) all_ended_ = errno == ECHILD;
    if (pid <= 0) break;
    if (pid != child_) continue;
    child_ended_ = true;
    ending_.wait_status = status;
    ending_.finished = Now(CLOCK_REALTIME);
    ending_.finished_monotonic = Now(CLOCK_MONOTONIC);
    ending_.elapsed += ending_.finished_monotonic;
    timeout_at_ = kNever;
  }
  if (child_ended_ && !all_ended_ && give_up_at_ == kNever) {
    // Daemons it left behind: they are our children now, and end with it.
    const std::int64_t now = Now(CLOCK_MONOTONIC);
    give_up_at_ = now + request_.grace_ms * 1000 + kUnkillableAfter;
    kill_at_ = Earlier(kill_at_, now + Earlier(kLeftOverGrace, request_.grace_ms * 1000));
    SignalDescendants(getpid(), SIGTERM);
  }
}

void Shim::PumpLog() {
  static char buffer[64 * 1024];
  // A bounded number of rounds, so that a replica which never stops printing can be stopped.
  for (int round = 0; round < 16; ++round) {
    const ssize_t got = read(log_pipe_, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return;
    if (got == 0) {
      close(log_pipe_);
      log_pipe_ = -1;
      return;
    }
    log_.Write(buffer, static_cast<std::size_t>(got));
  }
}

void Shim::CheckDeadlines() {
  const std::int64_t now = Now(CLOCK_MONOTONIC);
  if (now >= timeout_at_) {
    timeout_at_ = kNever;
    Stop(kStoppedByTimeout, false);
  }
  if (now >= kill_at_) {
    if (give_up_at_ == kNever) give_up_at_ = now + kUnkillableAfter;
    SignalDescendants(getpid(), SIGKILL);
    kill_at_ = now + kSecond / 20;  // again, for what was forked meanwhile
  }
  if (now >= give_up_at_) {
    ending_.unkillable = true;
    all_ended_ = true;
    if (!child_ended_) ending_.wait_status = SIGKILL;
  }
}

void Shim::Watch() {
  while (true) {
    Reap();
    if (child_ended_ && all_ended_) break;
    CheckDeadlines();
    if (all_ended_) break;
    const std::int64_t next = Earlier(Earlier(timeout_at_, kill_at_), give_up_at_);
    std::int64_t wait = -1;
    if (next != kNever) {
      const std::int64_t left = next - Now(CLOCK_MONOTONIC);
      wait = left <= 0 ? 0 : Earlier(left / 1000 + 1, 1'000'000);
    }
    pollfd fds[2] = {{signals_, POLLIN, 0}, {log_pipe_, POLLIN, 0}};
    if (poll(fds, 2, static_cast<int>(wait)) <= 0) continue;
    if (fds[0].revents != 0) ReadSignals();
    if (fds[1].revents != 0) PumpLog();
  }
  // Everybody who could write is gone, or got the pipe by other ways and is none of ours: what lies
  // in the pipe now is the rest of the log. A pipe holds 64 KiB, so one call is enough.
  if (log_pipe_ >= 0) PumpLog();
}

void Shim::ReadCgroup() {
  if (request_.cgroup[0] == '\0') return;
  // cgroup v1 tells it in memory.oom_control, v2 in memory.events; both by a line "oom_kill <n>".
  for (const char* name : {"memory.oom_control", "memory.events"}) {
    char path[4096];
    char text[1024];
    std::snprintf(path, sizeof path, "%s/%s", request_.cgroup, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    const ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    const char* const line = std::strstr(text, "oom_kill ");
    if (line != nullptr && std::strtol(line + 9, nullptr, 10) > 0) ending_.out_of_memory = true;
  }
  rmdir(request_.cgroup);
}

int Shim::Run() {
  // Blocked by the engine already before this program was started; here for `regatta shim` by hand.
  sigset_t taken;
  sigemptyset(&taken);
  for (const int number : {SIGTERM, SIGUSR1, SIGCHLD}) sigaddset(&taken, number);
  sigprocmask(SIG_BLOCK, &taken, nullptr);
  signal(SIGPIPE, SIG_IGN);  // the engine may be gone when the status line is written
  signal(SIGHUP, SIG_IGN);
  signals_ = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals_ < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return kCannotWrite;

  if (const int code = records_.TakeToken(); code != kDone) return code;
  REGATTA_FAULT("shim.after_token");
  if (Start()) {
    if (request_.timeout_ms > 0) timeout_at_ = Now(CLOCK_MONOTONIC) + request_.timeout_ms * 1000;
    Watch();
  }
  if (ending_.finished == 0) {
    ending_.finished = Now(CLOCK_REALTIME);
    ending_.finished_monotonic = Now(CLOCK_MONOTONIC);
    ending_.elapsed += ending_.finished_monotonic;
  }
  ReadCgroup();
  getrusage(RUSAGE_CHILDREN, &ending_.usage);
  ending_.log_bytes = log_.bytes();
  ending_.log_lost = log_.lost();
  ending_.log_dropped = log_.dropped();
  REGATTA_FAULT("shim.before_exit_file");
  return records_.WriteEnding(ending_, child_) ? kDone : kCannotWrite;
}

}  // namespace

const char* StopReasonName(int reason) {
  static const char* const kNames[] = {"none", "user", "peer", "timeout", "signal"};
  return kNames[reason >= 0 && reason <= kStoppedBySignal ? reason : 0];
}

int ShimMain(int /*argc*/, char** /*argv*/) {
  // Of a terminal, a session or a descriptor of the engine nothing may be left.
  setsid();
  prctl(PR_SET_NAME, "regatta-shim");
  fcntl(kRequestFd, F_SETFD, FD_CLOEXEC);
  fcntl(kStatusFd, F_SETFD, FD_CLOEXEC);
  close_range(kStatusFd + 1, ~0U, 0);
  Request request;
  if (!ReadRequest(kRequestFd, &request)) {
    static const char kText[] =
        "regatta shim: descriptor 3 holds no request; the shim is started by regatta itself, not "
        "by "
        "hand\n";
    (void)!write(2, kText, sizeof kText - 1);
    return kBadRequest;
  }
  close(kRequestFd);
  // Everything the shim writes is named from the job's folder.
  if (chdir(request.folder) != 0) return kCannotWrite;
  return Shim(request).Run();
}

}  // namespace regatta::job::shim

#include <signal.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fault.h"
#include "job/leftovers.h"
#include "job/local_executor.h"
#include "job/memory_cgroup.h"
#include "job/shim/shim.h"

namespace regatta::job {
namespace {

constexpr char kStoppedOnRequest[] = "stopped on request";

void SendSignal(int process, int signal, int value) {
  siginfo_t info{};
  info.si_signo = signal;
  info.si_code = SI_QUEUE;
  info.si_pid = getpid();
  info.si_uid = getuid();
  info.si_value.sival_int = value;
  syscall(SYS_pidfd_send_signal, process, signal, &info, 0);
}

}  // namespace

void LocalExecutor::ShimStarted(Job& job, int rank) {
  Replica& replica = job.replicas[static_cast<std::size_t>(rank)];
  char line[64];
  const ssize_t got = read(replica.started.get(), line, sizeof line - 1);
  line[got > 0 ? got : 0] = '\0';
  replica.started.Reset();
  int pid = 0;
  if (std::sscanf(line, "started %d", &pid) != 1) return;
  WaitsNoMore(job, rank);
  ReplicaStatus& status = job.status.replicas[static_cast<std::size_t>(rank)];
  status.pid = pid;
  status.state = ReplicaState::kRunning;
  status.started_at = base::NowMicros();
  Changed(job);
}

void LocalExecutor::ShimEnded(Job& job, int rank) {
  Replica& replica = job.replicas[static_cast<std::size_t>(rank)];
  siginfo_t info{};
  // Fails for an adopted shim, which is not our child and needs no burial by us.
  const bool ours = waitid(P_PIDFD, static_cast<id_t>(replica.process.get()), &info, WEXITED) == 0;
  --job.running;
  if (ours && info.si_code == CLD_EXITED && info.si_status == shim::kNotMine) {
    // A shim of the engine before this one was quicker: that one runs the replica.
    CloseReplica(replica);
    if (AdoptReplica(job, rank)) return;
    replica.start_error = "its shim did not run: it was started by another process";
  }
  if (ours && info.si_code == CLD_EXITED && info.si_status == shim::kDiskFull) {
    CloseReplica(replica);
    RemoveCgroup(replica.cgroup);
    if (job.stop_reason == 0 && !job.stop_asked) {
      return WaitForRoom(job, rank,
                         absl::StrCat("no space left on the disk of ", job.spec.directory));
    }
    WaitsNoMore(job, rank);
    SkipReplica(job, rank);
    return FinishJobIfAllEnded(job);
  }
  if (ours && info.si_code == CLD_EXITED && info.si_status == shim::kCannotWrite) {
    replica.start_error = absl::StrCat("cannot write to ", job.spec.directory, "/shim");
  }
  FinishReplica(job, rank);
}

void LocalExecutor::CloseReplica(Replica& replica) {
  watches_.erase(replica.process_watch);
  watches_.erase(replica.started_watch);
  replica.process.Reset();
  replica.started.Reset();
}

// Its shim has ended, or could not be started.
void LocalExecutor::FinishReplica(Job& job, int rank) {
  REGATTA_FAULT("job.finish.before_event");
  const std::size_t at = static_cast<std::size_t>(rank);
  Replica& replica = job.replicas[at];
  ReplicaStatus& status = job.status.replicas[at];
  CloseReplica(replica);
  WaitsNoMore(job, rank);
  replica.ended = true;
  replica.ended_monotonic = base::MonotonicMicros();
  replica.ending = ReadExit(AttemptFolder(job.spec.directory, status.restarts), rank);
  ReadMetrics(job, rank);
  status.finished_at = std::max(base::NowMicros(), status.started_at);
  if (!replica.ending) {
    if (replica.cgroup.empty()) {
      KillLeftovers(job.spec.id, rank);
    } else {
      RemoveCgroup(replica.cgroup);
    }
    status.state = job.stop_asked ? ReplicaState::kTerminated : ReplicaState::kFailed;
    if (job.adopted && replica.start_error.empty()) job.status.vanished = true;
    status.message = !replica.start_error.empty()
                         ? replica.start_error
                         : absl::StrCat("lost: its shim (pid ", replica.shim_pid,
                                        ") was killed, so its processes were ended too");
  } else {
    const ExitRecord& ending = *replica.ending;
    replica.ended_monotonic = ending.finished_monotonic;
    status.pid = ending.pid;
    status.started_at = ending.started;
    // The wall clock may have been set meanwhile; how long it took is by the other clock.
    status.finished_at = ending.started != 0 ? ending.started + ending.elapsed : ending.finished;
    if (ending.result == "code") status.exit_code = ending.value;
    if (ending.result == "signal") status.signal = ending.value;
    if (ending.stop == "user" || ending.stop == "peer") {
      status.state = ReplicaState::kTerminated;
      if (ending.stop == "user") status.message = kStoppedOnRequest;
    } else if (ending.stop == "none" && ending.result == "code" && ending.value == 0) {
      status.state = ReplicaState::kSucceeded;
    } else {
      status.state = ReplicaState::kFailed;
      status.message = DescribeEnding(job, job.members[at], ending);
    }
    if (ending.unkillable) {
      job.status.warnings.push_back(
          absl::StrCat("rank ", rank, ": processes hang in the kernel and could not be ended"));
    }
    if (ending.log_lost > 0) {
      job.status.warnings.push_back(absl::StrCat("rank ", rank, ": ", ending.log_lost,
                                                 " bytes of its log could not be written"));
    }
    if (ending.log_dropped > 0) {
      job.status.warnings.push_back(absl::StrCat(
          "rank ", rank, ": the first ", ending.log_dropped,
          " bytes of its log were dropped (it printed more than ", options_.log_bytes, ")"));
    }
  }
  if (MayRestart(job, rank)) {
    Changed(job);
    return;
  }
  Decide(job, status);
  Changed(job);
  FinishJobIfAllEnded(job);
}

void LocalExecutor::FinishJobIfAllEnded(Job& job) {
  const bool all_ended =
      std::ranges::all_of(job.replicas, [](const Replica& each) { return each.ended; });
  if (all_ended && !IsFinal(job.status.state)) FinishJob(job);
}

// True when the replica, which has just ended, will be started again.
bool LocalExecutor::MayRestart(Job& job, int rank) {
  const std::size_t at = static_cast<std::size_t>(rank);
  Replica& replica = job.replicas[at];
  ReplicaStatus& status = job.status.replicas[at];
  const RestartPolicy policy = job.members[at].role->restart;
  if (policy == RestartPolicy::kNever || job.stop_reason != 0 || job.stop_asked) return false;
  if (job.status.decided) return false;
  if (!replica.start_error.empty() || status.state == ReplicaState::kTerminated) return false;
  if (replica.ending && replica.ending->stop == "timeout") return false;
  const bool succeeded = status.state == ReplicaState::kSucceeded;
  if (succeeded && policy != RestartPolicy::kAlways) return false;
  // Neither a code nor a signal: its shim was killed, which is the machine's doing.
  const bool command_failed = replica.ending && replica.ending->result == "code";
  if (policy == RestartPolicy::kExitCode && command_failed && replica.ending->value < 128) {
    absl::StrAppend(&status.message, " (codes below 128 are not tried again)");
    return false;
  }
  if (job.spec.restart_limit && job.restarts >= *job.spec.restart_limit) {
    if (!succeeded) {
      absl::StrAppend(&status.message, ", and the limit of ", *job.spec.restart_limit,
                      " restarts is reached");
    }
    status.state = ReplicaState::kFailed;
    if (succeeded) {
      status.message = absl::StrCat("is to run always, but the limit of ", *job.spec.restart_limit,
                                    " restarts is reached");
    }
    return false;
  }
  ++job.restarts;
  base::Micros delay = 0;
  if (status.restarts > 0) {
    delay = options_.restart_delay.count() * 1000;
    const base::Micros longest = options_.longest_restart_delay.count() * 1000;
    for (int i = 1; i < status.restarts && delay < longest; ++i) delay *= 2;
    delay = std::min(delay, longest);
  }
  replica.ended = false;
  replica.restart_at = base::MonotonicMicros() + delay;
  restarts_.insert({replica.restart_at, job.spec.id, rank});
  status.state = ReplicaState::kPending;
  status.message =
      absl::StrCat(succeeded ? "ended with exit code 0" : status.message, "; is started again");
  return true;
}

// What a replica's end means for the job.
void LocalExecutor::Decide(Job& job, const ReplicaStatus& ended) {
  if (job.stop_reason != 0 || job.status.decided) return;
  if (ended.state == ReplicaState::kFailed) {
    job.status.decided = JobState::kFailed;
  } else if (!job.spec.deciding_ranks.empty() &&
             std::ranges::all_of(job.spec.deciding_ranks, [&job](int rank) {
               return job.status.replicas[static_cast<std::size_t>(rank)].state ==
                      ReplicaState::kSucceeded;
             })) {
    job.status.decided = JobState::kSucceeded;
  }
  if (!job.status.decided || !job.spec.stop_rest) return;
  job.stop_reason = shim::kStoppedByPeer;
  SendStop(job);
}

void LocalExecutor::SendStop(Job& job) {
  if (job.stop_asked && job.stop_reason == 0) job.stop_reason = shim::kStoppedByUser;
  if (!job.admitted) {
    for (const Member& member : job.members) SkipReplica(job, member.rank);
    FinishJob(job);
    return;
  }
  const bool now = job.stop_now;
  if (now ? job.kill_sent : job.stop_sent) return;
  (now ? job.kill_sent : job.stop_sent) = true;
  for (const Replica& replica : job.replicas) {
    if (replica.process.valid()) {
      SendSignal(replica.process.get(), now ? SIGUSR1 : SIGTERM, job.stop_reason);
    }
  }
  for (const Member& member : job.members) {
    const std::size_t at = static_cast<std::size_t>(member.rank);
    if (std::exchange(job.replicas[at].restart_at, 0) == 0) continue;
    WaitsNoMore(job, member.rank);
    job.replicas[at].ended = true;
    job.status.replicas[at].state = ReplicaState::kTerminated;
    job.status.replicas[at].message = job.stop_asked ? kStoppedOnRequest : "";
  }
  FinishJobIfAllEnded(job);
}

void LocalExecutor::FinishJob(Job& job) {
  const ReplicaStatus* first = nullptr;
  bool terminated = job.stop_reason == shim::kStoppedByUser && !job.admitted;
  for (const ReplicaStatus& status : job.status.replicas) {
    terminated = terminated || status.state == ReplicaState::kTerminated;
    if (status.state != ReplicaState::kFailed) continue;
    const auto ended = [&job](const ReplicaStatus& one) {
      return job.replicas[static_cast<std::size_t>(one.rank)].ended_monotonic;
    };
    if (first == nullptr || ended(status) < ended(*first)) first = &status;
  }
  JobStatus& status = job.status;
  const bool cannot_launch = !status.message.empty() && job.admitted && first == nullptr;
  if (status.decided == JobState::kSucceeded) {
    status.state = JobState::kSucceeded;
    status.message.clear();
    for (ReplicaStatus& other : status.replicas) {
      if (other.state == ReplicaState::kTerminated && other.message.empty()) {
        other.message = "stopped because the job succeeded";
      }
    }
  } else if (first != nullptr) {
    status.state = JobState::kFailed;
    status.message = absl::StrCat(NameReplica(*first), " ", first->message);
    for (ReplicaStatus& other : status.replicas) {
      if (other.state != ReplicaState::kTerminated) continue;
      if (other.message == kStoppedOnRequest) continue;
      const char* const how = other.message.empty() ? "stopped" : "never started";
      other.message = absl::StrCat(how, " because rank ", first->rank, " failed");
    }
  } else if (cannot_launch) {
    status.state = JobState::kFailed;
  } else if (terminated) {
    status.state = JobState::kTerminated;
    status.message = kStoppedOnRequest;
  } else {
    status.state = JobState::kSucceeded;
    status.message.clear();
  }
  for (const ReplicaStatus& replica : status.replicas) {
    if (replica.started_at != 0)
      status.started_at = std::min(status.started_at, replica.started_at);
  }
  status.finished_at = std::max(base::NowMicros(), status.started_at);
  if (job.admitted) admission_.Return(job.needs);
  ports_.Return(job.launch.ports);
  if (job.metrics_watch >= 0) {
    metrics_watches_.erase(job.metrics_watch);
    inotify_rm_watch(inotify_.get(), job.metrics_watch);
  }
  Changed(job);
}

}  // namespace regatta::job

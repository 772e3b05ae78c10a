#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/fault.h"
#include "base/random.h"
#include "job/launcher.h"
#include "job/leftovers.h"
#include "job/local_executor.h"
#include "job/memory_cgroup.h"
#include "job/python_path.h"
#include "job/shim/shim.h"

namespace regatta::job {
namespace {

constexpr std::size_t kTokenBytes = 32;
// Between two looks whether a full disk has room again.
constexpr base::Micros kRoomDelay = 500'000;
constexpr char kMemoryNotEnforced[] = "memory is counted but not enforced: ";

}  // namespace

std::string DirectoryOf(const JobSpec& spec, const Role& role) {
  std::error_code error;
  const bool there = !role.working_directory.empty() &&
                     std::filesystem::is_directory(role.working_directory, error);
  return there ? role.working_directory : spec.working_directory;
}

void LocalExecutor::Admit(Job& job) {
  job.admitted = true;
  admission_.Take(job.needs);
  job.status.launches = 1;
  job.status.state = JobState::kRunning;
  job.status.started_at = base::NowMicros();
  WatchMetrics(job);
  Changed(job);
}

void LocalExecutor::WatchMetrics(Job& job) {
  if (!inotify_.valid()) return;
  job.metrics_watch = inotify_add_watch(inotify_.get(), (job.spec.directory + "/metrics").c_str(),
                                        IN_MODIFY | IN_CREATE);
  if (job.metrics_watch >= 0) metrics_watches_[job.metrics_watch] = job.spec.id;
}

absl::Status LocalExecutor::PrepareLaunch(Job& job) {
  const int ports = 2 + static_cast<int>(job.members.size());
  ASSIGN_OR_RETURN(job.launch.ports, ports_.Take(ports));
  job.launch.token = base::RandomHex(kTokenBytes);
  return absl::OkStatus();
}

void LocalExecutor::LaunchAll(Job& job) {
  Admit(job);
  if (const absl::Status status = PrepareLaunch(job); !status.ok()) {
    job.status.message = std::string(status.message());
    for (const Member& member : job.members) SkipReplica(job, member.rank);
    FinishJob(job);
    return;
  }
  for (const Member& member : job.members) LaunchAttempt(job, member.rank);
  FinishJobIfAllEnded(job);
}

// What replicas share, and the folder of a restart: written once.
absl::Status LocalExecutor::WriteBeforeLaunch(Job& job, int restarts) {
  // One replica that starts once has nobody to disagree with about ports; the launch token alone
  // decides.
  const bool alone = job.members.size() == 1 && job.spec.roles[0].restart == RestartPolicy::kNever;
  if (!job.launch_written && !alone) RETURN_IF_ERROR(WriteLaunch(job.spec, job.launch));
  job.launch_written = true;
  if (restarts == 0) return absl::OkStatus();
  return ToAbsl(base::MakeFolders(AttemptFolder(job.spec.directory, restarts) + "/shim"));
}

void LocalExecutor::LaunchAttempt(Job& job, int rank) {
  if (job.stop_reason != 0) return SkipReplica(job, rank);
  const std::size_t at = static_cast<std::size_t>(rank);
  const absl::Status written = WriteBeforeLaunch(job, job.status.replicas[at].restarts);
  if (written.code() == absl::StatusCode::kResourceExhausted) {
    return WaitForRoom(job, rank, std::string(written.message()));
  }
  if (!written.ok()) {
    job.replicas[at].start_error = std::string(written.message());
    return FinishReplica(job, rank);
  }
  LaunchReplica(job, rank, {job.spec, job.members, job.launch});
}

// Nobody has taken this rank's token, for there was no room to write it. That passes.
void LocalExecutor::WaitForRoom(Job& job, int rank, const std::string& why) {
  Replica& replica = job.replicas[static_cast<std::size_t>(rank)];
  ReplicaStatus& status = job.status.replicas[static_cast<std::size_t>(rank)];
  replica.relaunch = true;
  replica.restart_at = base::MonotonicMicros() + kRoomDelay;
  restarts_.insert({replica.restart_at, job.spec.id, rank});
  status.state = ReplicaState::kPending;
  const std::string message = absl::StrCat("waits for room on the disk: ", why);
  if (status.message == message) return;
  status.message = job.status.message = message;
  Changed(job);
}

// A replica that is not launched, because another one could not be, or failed already.
void LocalExecutor::SkipReplica(Job& job, int rank) {
  job.replicas[static_cast<std::size_t>(rank)].ended = true;
  ReplicaStatus& status = job.status.replicas[static_cast<std::size_t>(rank)];
  status.state = ReplicaState::kTerminated;
  status.message = "never started";
}

void LocalExecutor::LaunchReplica(Job& job, int rank, const World& world) {
  if (job.stop_reason != 0) return SkipReplica(job, rank);
  REGATTA_FAULT("job.launch.before_replica");
  const Member& member = job.members[static_cast<std::size_t>(rank)];
  Replica& replica = job.replicas[static_cast<std::size_t>(rank)];
  if (const std::int64_t limit = member.role->resources.memory_bytes; limit > 0) {
    absl::StatusOr<std::string> cgroup =
        MakeMemoryCgroup(absl::StrCat(job.spec.id, "-", rank), limit);
    if (cgroup.ok()) {
      replica.cgroup = *std::move(cgroup);
    } else if (std::ranges::none_of(job.status.warnings, [](const std::string& warning) {
                 return warning.starts_with(kMemoryNotEnforced);
               })) {
      job.status.warnings.push_back(absl::StrCat(kMemoryNotEnforced, cgroup.status().message()));
    }
  }
  ShimRequest request{
      .job = job.spec.id,
      .folder = AttemptFolder(job.spec.directory,
                              job.status.replicas[static_cast<std::size_t>(rank)].restarts),
      .working_directory = DirectoryOf(job.spec, *member.role),
      .cgroup = replica.cgroup,
      .rank = rank,
      .grace_ms = std::max<std::int64_t>(0, job.spec.grace.count()),
      .timeout_ms = job.spec.timeout.count(),
      .log_bytes = options_.log_bytes,
      .argv = ReplicaArgv(world, member),
      .env = ReplicaEnv(job.spec.inherit_environment ? inherited_ : Env(), world, member)};
  AddRegattaPythonPath(&request.env);
  if (!job.python_folder.empty()) {
    std::string& path = request.env["PATH"];
    path = path.empty() ? job.python_folder : job.python_folder + ":" + path;
  }
  absl::StatusOr<StartedShim> started = StartShim(request);
  REGATTA_FAULT("job.launch.after_spawn");
  if (!started.ok()) {
    replica.start_error = std::string(started.status().message());
    FinishReplica(job, rank);
    return;
  }
  replica.shim_pid = started->pid;
  replica.process = std::move(started->process);
  replica.started = std::move(started->status);
  replica.process_watch = AddWatch(replica.process.get(), {job.spec.id, rank, Source::kShim});
  replica.started_watch = AddWatch(replica.started.get(), {job.spec.id, rank, Source::kStarted});
  ++job.running;
}

// What an engine before this one has left. False when nothing of the job was ever launched.
bool LocalExecutor::Adopt(Job& job) {
  const std::string& folder = job.spec.directory;
  const auto taken = [&folder](const Member& member) {
    return ReadToken(folder, member.rank).has_value();
  };
  if (std::ranges::none_of(job.members, taken)) return false;
  Admit(job);
  const absl::StatusOr<std::optional<Launch>> launch = ReadLaunch(job.spec);
  if (launch.ok()) job.launch = launch->value_or(Launch());
  job.launch_written = true;
  ports_.Reserve(job.launch.ports);
  // All of them before one is judged: the limit is for all together.
  for (const Member& member : job.members) CountRestarts(job, member.rank);
  std::vector<int> missing;
  for (const Member& member : job.members) {
    if (!AdoptReplica(job, member.rank)) missing.push_back(member.rank);
  }
  // The launch was cut off half-way: finish it, with the values the others have, unless one of them
  // has failed meanwhile.
  if (!missing.empty() && job.launch.ports.size() < job.members.size() + 2) {
    job.status.message = "its launch was interrupted, and launch.json, needed to go on, is missing";
    if (job.stop_reason == 0) job.stop_reason = shim::kStoppedByPeer;
  }
  const World world{job.spec, job.members, job.launch};
  for (const int rank : missing) LaunchReplica(job, rank, world);
  if (job.stop_reason != 0 || job.stop_asked) SendStop(job);
  FinishJobIfAllEnded(job);  // one that waits to be started again has not ended
  return true;
}

// Earlier starts are over; the last one counts.
void LocalExecutor::CountRestarts(Job& job, int rank) {
  int& restarts = job.status.replicas[static_cast<std::size_t>(rank)].restarts;
  while (ReadToken(AttemptFolder(job.spec.directory, restarts + 1), rank)) {
    ++restarts;
    ++job.restarts;
  }
}

// False when nobody has taken this rank's token.
bool LocalExecutor::AdoptReplica(Job& job, int rank) {
  Replica& replica = job.replicas[static_cast<std::size_t>(rank)];
  ReplicaStatus& status = job.status.replicas[static_cast<std::size_t>(rank)];
  const std::optional<Token> token =
      ReadToken(AttemptFolder(job.spec.directory, status.restarts), rank);
  if (!token) return false;
  replica.cgroup = token->cgroup;
  replica.shim_pid = token->shim.pid;
  status.pid = token->child.pid;
  if (token->held) {
    base::UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, token->shim.pid, 0)));
    // The hold on the process first, then the look whether it is the right one.
    if (process.valid() && StartTimeOf(token->shim.pid) == token->shim.start_time) {
      status.state = ReplicaState::kRunning;
      replica.process = std::move(process);
      replica.process_watch = AddWatch(replica.process.get(), {job.spec.id, rank, Source::kShim});
      ++job.running;
      ReadMetrics(job, rank);
      // The others may have been told to stop before this one was found.
      job.stop_sent = job.kill_sent = false;
      if (job.stop_reason != 0) SendStop(job);
      return true;
    }
  }
  FinishReplica(job, rank);
  return true;
}

// Its folder is the attempt: whoever takes the launch token in it runs the replica, so an engine
// that dies here and one that comes after it start this attempt once.
void LocalExecutor::Restart(Job& job, int rank) {
  const std::size_t at = static_cast<std::size_t>(rank);
  Replica& replica = job.replicas[at];
  ReplicaStatus& status = job.status.replicas[at];
  replica.restart_at = 0;
  replica.ending.reset();
  replica.start_error.clear();
  ++status.restarts;
  status.exit_code.reset();
  status.signal.reset();
  status.pid = 0;
  status.finished_at = 0;
  REGATTA_FAULT("job.restart.before_launch");
  LaunchAttempt(job, rank);
  Changed(job);
}

// It was launched, or will not be: what is told about it is not the disk any more.
void LocalExecutor::WaitsNoMore(Job& job, int rank) {
  Replica& replica = job.replicas[static_cast<std::size_t>(rank)];
  if (!std::exchange(replica.relaunch, false)) return;
  job.status.replicas[static_cast<std::size_t>(rank)].message.clear();
  job.status.message.clear();
}

void LocalExecutor::RestartDue() {
  const base::Micros now = base::MonotonicMicros();
  while (!restarts_.empty() && restarts_.begin()->at <= now) {
    const Pending due = *restarts_.begin();
    restarts_.erase(restarts_.begin());
    const auto job = jobs_.find(due.job);
    if (job == jobs_.end()) continue;
    Replica& replica = job->second->replicas[static_cast<std::size_t>(due.rank)];
    if (replica.restart_at == 0) continue;  // stopped in the meantime
    if (replica.relaunch) {
      replica.restart_at = 0;
      LaunchAttempt(*job->second, due.rank);
    } else {
      Restart(*job->second, due.rank);
    }
  }
}

}  // namespace regatta::job

#pragma once

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "job/admission.h"
#include "job/env/contract.h"
#include "job/executor.h"
#include "job/job_files.h"
#include "job/metrics_tail.h"
#include "job/ports.h"

namespace regatta::job {

// One replica, from its shim's start to its end.
struct Replica {
  explicit Replica(MetricsTail tail) : metrics(std::move(tail)) {}

  pid_t shim_pid = 0;
  base::UniqueFd process;  // pidfd of its shim; valid while the shim is watched
  base::UniqueFd started;  // the shim's status line comes here; closed once it came
  std::uint64_t process_watch = 0;
  std::uint64_t started_watch = 0;
  std::string cgroup;
  bool ended = false;
  base::Micros ended_monotonic = 0;  // orders failures of one job
  std::optional<ExitRecord> ending;
  std::string start_error;      // why its shim could not be started
  base::Micros restart_at = 0;  // monotonic; not zero: it waits to be started again
  // There was no room on the disk to launch this attempt: restart_at is when to try again.
  bool relaunch = false;
  MetricsTail metrics;
};

struct Job {
  JobSpec spec;
  JobStatus status;
  std::vector<Member> members;  // points into spec
  std::vector<Replica> replicas;
  Capacity needs;
  Launch launch;
  std::string python_folder;  // of the chosen interpreter; goes in front of PATH
  bool adopted = false;       // its intent was there before
  bool admitted = false;
  bool launch_written = false;  // to launch.json, where it is needed
  int running = 0;              // replicas whose shim is watched
  int restarts = 0;             // of all replicas
  int stop_reason = 0;          // shim::StopReason; not zero: no more replicas are launched
  bool stop_asked = false;      // by Stop()
  bool stop_now = false;
  bool stop_sent = false;  // what was sent last: politely ...
  bool kill_sent = false;  // ... or now
  int metrics_watch = -1;
  bool malformed_told = false;
};

// Where the replicas of a role start on this machine.
std::string DirectoryOf(const JobSpec& spec, const Role& role);

// The implementation behind NewLocalExecutor. One thread of its own waits (epoll) for the shims'
// pidfds, their status lines, changed metrics files and calls of the public functions; it alone
// changes jobs, launches and publishes. The public functions hand over under `mutex_`.
class LocalExecutor final : public Executor {
 public:
  LocalExecutor(const LocalExecutorOptions& options, Capacity total, base::EventSink* sink);
  ~LocalExecutor() override;
  absl::Status Begin();

  absl::Status Submit(const JobSpec& spec) override;
  absl::Status Stop(const std::string& id, bool now) override;
  absl::StatusOr<JobStatus> Status(const std::string& id) override;
  void Forget(const std::string& id) override;

 private:
  enum class Source : std::uint8_t { kShim, kStarted };
  struct Watch {
    std::string job;
    int rank;
    Source source;
  };

  // local_executor.cc: the thread.
  void Run();
  void Wake();
  void TakeCalls();
  void ReadInotify();
  void ReadMetrics(Job& job, int rank);
  void AdmitWaiting();
  int UntilNextRestart() const;  // for epoll_wait
  void Changed(Job& job);
  std::uint64_t AddWatch(int fd, Watch watch);

  // local_launch.cc: from admitted to running.
  void Admit(Job& job);
  bool Adopt(Job& job);
  void CountRestarts(Job& job, int rank);
  bool AdoptReplica(Job& job, int rank);
  void LaunchAll(Job& job);
  absl::Status PrepareLaunch(Job& job);
  absl::Status WriteBeforeLaunch(Job& job, int restarts);
  void LaunchAttempt(Job& job, int rank);
  void LaunchReplica(Job& job, int rank, const World& world);
  void WaitForRoom(Job& job, int rank, const std::string& why);
  void SkipReplica(Job& job, int rank);
  void WatchMetrics(Job& job);
  void Restart(Job& job, int rank);
  void WaitsNoMore(Job& job, int rank);
  void RestartDue();

  // local_finish.cc: from running to the end.
  void ShimStarted(Job& job, int rank);
  void ShimEnded(Job& job, int rank);
  void SendStop(Job& job);
  void CloseReplica(Replica& replica);
  bool MayRestart(Job& job, int rank);
  void Decide(Job& job, const ReplicaStatus& ended);
  void FinishReplica(Job& job, int rank);
  void FinishJobIfAllEnded(Job& job);
  void FinishJob(Job& job);

  const LocalExecutorOptions options_;
  base::EventSink* const sink_;
  const Env inherited_;
  base::UniqueFd epoll_;
  base::UniqueFd wake_;
  base::UniqueFd inotify_;

  std::mutex mutex_;  // guards everything below
  bool closing_ = false;
  std::map<std::string, std::unique_ptr<Job>> jobs_;
  std::list<Job*> waiting_;        // in the order they came
  std::deque<std::string> calls_;  // jobs that a public function changed
  Admission admission_;
  Ports ports_;
  std::uint64_t next_watch_ = 2;  // 0 and 1: wake_ and inotify_
  std::map<std::uint64_t, Watch> watches_;
  std::map<int, std::string> metrics_watches_;
  struct Pending {
    base::Micros at;  // monotonic
    std::string job;
    int rank;
    auto operator<=>(const Pending&) const = default;
  };
  std::set<Pending> restarts_;
  std::vector<base::Event> events_;  // to publish once the mutex is released

  std::thread thread_;
};

// Texts for people (status_text.cc).
std::string SignalName(int signal);                     // "SIGKILL (9)"
std::string NameReplica(const ReplicaStatus& replica);  // "rank 1 (worker 1, pid 4711)"
// How a replica ended that was not stopped: "exit code 3", "killed by SIGKILL (9)",
// "cannot start 'foo': not found on PATH=/usr/bin".
std::string DescribeEnding(const Job& job, const Member& member, const ExitRecord& ending);

}  // namespace regatta::job

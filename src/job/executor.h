#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/event_sink.h"
#include "job/job.h"

namespace regatta::job {

// Runs jobs somewhere. Every implementation passes executor_contract_test. Thread-safe.
//
// What happens is told by events to the sink given at construction, from the executor's own thread:
//   "job.status"  subject: job id; data: {}. The status changed: ask Status(id).
//                 The end is told after the last metric; what Status says may be ahead of events.
//   "job.metric"  subject: job id; data: {"rank","name","value" (number or null),"step","time"}
class Executor {
 public:
  virtual ~Executor() = default;

  // Makes the job's intent durable, then launches all replicas or none (gang), now or as soon as
  // CPUs and memory are free. Returns once the intent is durable. Idempotent by id, also across a
  // crash of this process: a job that was launched before is adopted (its processes are watched
  // again, or their exit files read), never launched a second time.
  // kInvalidArgument for a spec that can never run (empty command, more CPUs than the machine has,
  // no interpreter that has the imports: the message lists what was tried).
  virtual absl::Status Submit(const JobSpec& spec) = 0;

  // Politely: SIGTERM to each replica's processes, SIGKILL after the grace period. `now`: SIGKILL.
  // A job that is waiting is never launched. OK when the job is final already. Also stops whatever
  // the replicas left behind (daemons they forked).
  virtual absl::Status Stop(const std::string& id, bool now) = 0;

  // kNotFound for an id that was not submitted to this object.
  virtual absl::StatusOr<JobStatus> Status(const std::string& id) = 0;

  // Forgets a final job (its folder stays). Keeps memory flat over 100,000 jobs.
  virtual void Forget(const std::string& id) = 0;
};

struct LocalExecutorOptions {
  double cpus = 0;                // 0: those this process may run on
  std::int64_t memory_bytes = 0;  // 0: what the machine or the container has
  // More replicas than CPUs may run when they ask for no CPUs; this bounds them. 0: 4 per CPU.
  int max_processes = 0;
  // Of each replica; beyond it the oldest segments of its log are dropped.
  std::int64_t log_bytes = std::int64_t{1} << 30;
  // Before the second restart of a replica; doubles with each further one, up to `longest`. The
  // first restart is at once.
  std::chrono::milliseconds restart_delay{10'000};
  std::chrono::milliseconds longest_restart_delay{300'000};
};

// Processes of this machine, each under a shim of its own (docs/formats/shim.md). `sink` must
// outlive it. Destroying the object leaves the processes running, to be adopted later.
absl::StatusOr<std::unique_ptr<Executor>> NewLocalExecutor(const LocalExecutorOptions& options,
                                                           base::EventSink* sink);

// Starts nothing: every job succeeds at once. For measuring the engine itself.
std::unique_ptr<Executor> NewNoopExecutor(base::EventSink* sink);

// --- What a job leaves in its folder; readable while it runs and ever after.

struct LogRange {
  std::int64_t offset = 0;       // of the first byte in `bytes`
  std::int64_t next_offset = 0;  // where the next read goes on
  std::int64_t total = 0;        // bytes written so far
  std::string bytes;
};
// `offset` < 0 counts from the end. kNotFound when that rank has no log (yet). `restarts`: of its
// n-th restart; 0 is the log of its first start.
absl::StatusOr<LogRange> ReadLog(const std::string& job_directory, int rank, std::int64_t offset,
                                 std::int64_t limit, int restarts = 0);

// The last `lines` lines of a rank's log, for error messages. Empty when there is none.
std::string LogTail(const std::string& job_directory, int rank, int lines);

}  // namespace regatta::job

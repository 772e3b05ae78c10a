#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "job/job.h"

// The engine's side of docs/formats/shim.md: what it writes for the shims, and what it reads of
// theirs.
namespace regatta::job {

// job.json: what was intended.
absl::Status WriteIntent(const JobSpec& spec);
// Whether there is one already. kFailedPrecondition when it is another job's, of another shape, or
// of a newer format; kDataLoss when it cannot be read.
absl::StatusOr<bool> CheckIntent(const JobSpec& spec);

// launch.json: what all replicas of one launch share, so that a launch which was cut off half-way
// goes on with the same values. Only for jobs of more than one replica.
struct Launch {
  std::vector<int> ports;  // master, ECCL master, then one for each rank
  std::string token;       // a secret
};
absl::StatusOr<std::optional<Launch>> ReadLaunch(const JobSpec& spec);
absl::Status WriteLaunch(const JobSpec& spec, const Launch& launch);

// Names one process for ever: the kernel reuses pids, but not together with start times.
struct ProcessName {
  pid_t pid = 0;
  unsigned long long start_time = 0;  // clock ticks since boot
};
unsigned long long StartTimeOf(pid_t pid);  // 0: no such process

struct Token {
  bool held = false;  // its shim lives
  ProcessName shim;
  std::string cgroup;
  ProcessName child;  // pid 0: not started, or not noted
};
// nullopt: nobody took it.
std::optional<Token> ReadToken(const std::string& job_folder, int rank);

struct ExitRecord {
  std::string result;  // "code", "signal", or what could not be done: "chdir", "exec", ...
  int value = 0;       // the code, the signal, or an errno
  pid_t pid = 0;
  std::string stop = "none";  // "user", "peer", "timeout", "signal"
  base::Micros started = 0;
  base::Micros finished = 0;
  base::Micros finished_monotonic = 0;
  base::Micros elapsed = 0;
  std::int64_t log_lost = 0;
  std::int64_t log_dropped = 0;
  bool out_of_memory = false;
  bool unkillable = false;
};
// nullopt: it is absent or not complete, so the replica has not ended (or its shim was killed).
std::optional<ExitRecord> ReadExit(const std::string& job_folder, int rank);

// Where the shim of a replica's n-th restart works; the job's folder itself for its first start.
// Same files, same names: `shim/`, `logs/`.
std::string AttemptFolder(const std::string& job_folder, int restarts);

std::string MetricsPath(const std::string& job_folder, int rank);

}  // namespace regatta::job

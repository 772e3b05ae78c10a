#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>

#include "job/shim/request.h"

namespace regatta::job::shim {

// How a replica ended; written to its exit file.
struct Ending {
  int wait_status = 0;           // as of waitpid(2); meaningless when `error_phase` is set
  const char* error_phase = "";  // "chdir", "exec", "cgroup", "fork": what could not be done
  int error_number = 0;          // its errno
  int stop_reason = 0;
  std::int64_t started = 0;  // UTC, microseconds
  std::int64_t finished = 0;
  std::int64_t finished_monotonic = 0;
  std::int64_t elapsed = 0;  // microseconds, by the monotonic clock
  std::int64_t log_bytes = 0;
  std::int64_t log_lost = 0;
  std::int64_t log_dropped = 0;
  bool out_of_memory = false;
  bool unkillable = false;
  rusage usage{};
};

// The two files of one rank (docs/formats/shim.md).
class Records {
 public:
  explicit Records(const Request& request) : request_(request) {}

  // Makes the blank exit file, then takes the launch token: locked for the life of this process,
  // durable before this returns. kDone, kNotMine when somebody holds it, kDiskFull or
  // kCannotWrite.
  int TakeToken();
  // Adds to the token which process runs.
  void NoteChild(pid_t pid);
  // Fills in the exit file, durably. False when that failed.
  bool WriteEnding(const Ending& ending, pid_t child);

 private:
  const Request& request_;
  int token_fd_ = -1;
  int exit_fd_ = -1;
};

}  // namespace regatta::job::shim

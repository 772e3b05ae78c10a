#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"

namespace regatta::job {

struct ShimRequest {
  std::string job;
  std::string folder;  // the job's
  std::string working_directory;
  std::string cgroup;
  int rank = 0;
  std::int64_t grace_ms = 0;
  std::int64_t timeout_ms = 0;
  std::int64_t log_bytes = 0;
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;  // whole; nothing is inherited
};

struct StartedShim {
  pid_t pid = 0;           // a child of this process
  base::UniqueFd process;  // its pidfd
  base::UniqueFd
      status;  // readable: "started <pid>\n"; the end of file comes without it on failure
};

// Starts a shim with that request, like vfork does: at a cost that does not grow with this process.
absl::StatusOr<StartedShim> StartShim(const ShimRequest& request);

}  // namespace regatta::job

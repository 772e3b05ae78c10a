#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace regatta::job {

// A cgroup (v1 or v2, whichever has the memory controller) below this process's own, with that
// limit: a folder the replica's process joins. The error says why memory cannot be enforced here.
absl::StatusOr<std::string> MakeMemoryCgroup(const std::string& name, std::int64_t limit_bytes);

// Ends everything inside and removes it. OK to call for one that is gone.
void RemoveCgroup(const std::string& folder);

}  // namespace regatta::job

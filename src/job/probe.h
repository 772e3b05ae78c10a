#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace regatta::job {

// Runs a short program and returns what it prints on standard output; its standard error goes into
// the message when it fails. It is killed when it takes longer than `timeout` or prints more than
// 16 MiB, and soon after `*cancel` (may be null) became true: kCancelled. Thread-safe.
absl::StatusOr<std::string> RunProbe(const std::vector<std::string>& argv,
                                     const std::map<std::string, std::string>& env,
                                     const std::string& working_directory,
                                     std::chrono::milliseconds timeout,
                                     const std::atomic<bool>* cancel = nullptr);

// What this machine's own tools are started with: where Debian puts them, and nothing else.
inline constexpr char kToolPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
inline std::map<std::string, std::string> ToolEnvironment() { return {{"PATH", kToolPath}}; }

}  // namespace regatta::job

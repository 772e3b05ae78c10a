#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace regatta::job {

// Runs a short program and returns what it prints on standard output; its standard error goes into
// the message when it fails. It is killed when it takes longer than `timeout` or prints more than
// 16 MiB. Thread-safe.
absl::StatusOr<std::string> RunProbe(const std::vector<std::string>& argv,
                                     const std::map<std::string, std::string>& env,
                                     const std::string& working_directory,
                                     std::chrono::milliseconds timeout);

}  // namespace regatta::job

#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "base/config.h"

namespace regatta::cli {

// The program's settings from all their sources: defaults < $XDG_CONFIG_HOME/regatta/config.yaml <
// <home>/config.yaml < environment < flags. `flags` has those that were given. `home` itself cannot
// come from <home>/config.yaml. kInvalidArgument names the file and line, the variable or the flag.
absl::StatusOr<base::Config> LoadSettings(const std::map<std::string, std::string>& flags);

// Gives effect to those that the whole process has: log level and format, the Python for steps.
void ApplySettings(const base::Config& settings);

// Warnings and errors only, unless the user asked for a level: what an owner logs as a matter of
// course would tear up what a command shows.
void LogLess(const base::Config& settings);

}  // namespace regatta::cli

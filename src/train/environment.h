#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace regatta::train {

// What ranks on other hosts get of this process's environment: all but what belongs to this host or
// login (HOME, HOSTNAME, SSH_*, ...), shell functions, and secrets of Regatta's own.
std::vector<std::string> EnvironmentForOtherHosts();

// Reads "NAME=value", "NAME" (its value here) or "NAME,OTHER" as mpirun's -x does, and adds them.
// kInvalidArgument for a name that is none, or that is not set here.
base::Status AddVariables(const std::string& text, std::vector<std::string>* variables);

}  // namespace regatta::train

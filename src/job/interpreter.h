#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace regatta::job {

// A Python on this machine.
struct Interpreter {
  std::string path;     // /usr/bin/python3
  std::string version;  // "3.11.2"
  // SHA-256 over "name==version\n" of every installed distribution, sorted: enters the cache key.
  std::string packages_digest;
  std::string why;  // "first that can import torch, regatta; passed over /opt/x: no module torch"
};

// The first of: $REGATTA_PYTHON; `.venv` of `working_directory` or of a folder above it; an active
// $VIRTUAL_ENV; python3 on the PATH; /usr/bin/python3 - that can import all of `imports`. Answers
// are remembered for the life of the process. kFailedPrecondition lists each candidate and what it
// lacks.
absl::StatusOr<Interpreter> FindInterpreter(const std::vector<std::string>& imports,
                                            const std::string& working_directory);

}  // namespace regatta::job

#pragma once

#include "base/status.h"

namespace regatta::job {

// A descriptor (close-on-exec, lives as long as the process) of the static shim executable that is
// carried inside this program: an anonymous, sealed file. Nothing on disk can be missing, of
// another version, or on a file system mounted noexec. Thread-safe.
base::Result<int> ShimImage();

}  // namespace regatta::job

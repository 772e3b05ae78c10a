#pragma once

#include "base/status.h"

namespace regatta::topology {

// Whether libhwloc can be loaded; kUnavailable says which package has it. It stays loaded.
base::Status FindHwloc();

}  // namespace regatta::topology

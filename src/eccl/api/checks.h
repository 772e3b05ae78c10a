#pragma once

#include "base/status.h"
#include "eccl/types.h"

namespace regatta::eccl {

// kInvalidArgument, with a text that names the argument and what it may be.
base::Status CheckRank(const char* name, int rank, int size);

}  // namespace regatta::eccl

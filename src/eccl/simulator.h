#pragma once

#include <functional>

#include "base/status.h"
#include "eccl/program.h"
#include "eccl/types.h"

namespace regatta::eccl {

// Runs the programs of all ranks on symbols instead of numbers, with connections that hold nothing:
// a send waits for its receiver. What passes here does so with any amount of buffering.
//
// Checks that nothing waits for ever, that both ends of each connection agree on what passes over
// it, that every result has each rank's share exactly once (or is the right rank's data), and that
// averages are divided exactly once. kInternal names the rank, the step and what is wrong.
base::Status Simulate(OpKind kind, int root, const std::vector<Program>& programs);

}  // namespace regatta::eccl

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "eccl/cost_model.h"
#include "eccl/executor.h"

namespace regatta::eccl {

// A cluster: ranks by host, and what its links cost.
struct Wiring {
  std::vector<std::vector<int>> hosts;
  LinkCost inside;
  LinkCost between;
};

struct Timing {
  double seconds = 0;              // until the last rank is done
  std::int64_t leaving_bytes = 0;  // of the host that sends most to others
  std::int64_t messages = 0;       // of all ranks
};

// How long a collective of `bytes` (the whole input or output, whichever is larger) takes when all
// ranks begin at once. Unlike the cost model, which counts rounds, this follows every message
// through the plans as the executor runs them: block by block, a few blocks under way. A host's
// ranks share its link to the others, one message after another in each direction; a rank moves and
// combines one message at a time. `plans`: by rank, and they pass Simulate.
//
// Blocks are longer than the executor's where there would be more than 16 million messages.
// kInternal: a rank waits for ever.
base::Result<Timing> SimulateTime(const std::vector<const Plan*>& plans, const Wiring& wiring,
                                  std::size_t bytes);

}  // namespace regatta::eccl

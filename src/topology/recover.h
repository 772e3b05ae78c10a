#pragma once

#include <utility>
#include <vector>

#include "base/status.h"
#include "topology/fabric.h"

namespace regatta::topology {

// What is public of it checks its input first; a probing plan has done so, and goes on from
// `undecided`: pairs that more has to be known of where the result is kFailedPrecondition.
base::Result<Fabric> RecoverFabric(int ports, const std::vector<ProbeSample>& samples,
                                   const FabricOptions& options,
                                   std::vector<std::pair<int, int>>* undecided);

base::Status CheckFabricInput(int ports, const std::vector<ProbeSample>& samples,
                              const FabricOptions& options);

}  // namespace regatta::topology

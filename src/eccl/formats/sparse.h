#pragma once

#include "base/status.h"
#include "eccl/formats/compressor.h"

namespace regatta::eccl {

// An all-reduce of each rank's values of largest magnitude: deep gradient compression (Lin, Han,
// Mao, Wang, Dally, "Deep Gradient Compression", ICLR 2018). With u the momentum, v what is owed
// and g the input, clipped: u = momentum * u + g, v = v + u; the top values of v are sent, and
// forgotten in v and u. `scratch` has an element for each of the tensor's. Gives the name of the
// algorithm.
base::Result<const char*> RunTopK(World* world, const WireOptions& options, CompressorState* state,
                                  const CompressedCall& call, std::span<float> scratch);

// How many values a rank sends in call number `step` (from 0): all ranks the same.
std::size_t TopCount(const WireOptions& options, std::uint64_t step, std::size_t count);

}  // namespace regatta::eccl

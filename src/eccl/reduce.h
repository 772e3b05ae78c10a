#pragma once

#include <cstddef>

#include "regatta/eccl.h"

namespace regatta::eccl {

// into[i] = into[i] op from[i]. The buffers need no alignment. ecclAvg adds: divide once at the
// end.
void Reduce(std::byte* into, const std::byte* from, std::size_t count, ecclDataType_t type,
            ecclRedOp_t op);

// data[i] /= by; toward zero for integers, in float and rounded to nearest even for 16-bit floats.
void Divide(std::byte* data, std::size_t count, ecclDataType_t type, int by);

}  // namespace regatta::eccl

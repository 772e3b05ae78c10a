#pragma once

#include <cstddef>

#include "regatta/eccl.h"

namespace regatta::eccl {

// to[i] = first[i] op second[i]. The buffers need no alignment; `to` may be one of the others.
// ecclAvg adds: divide once at the end.
void Combine(std::byte* to, const std::byte* first, const std::byte* second, std::size_t count,
             ecclDataType_t type, ecclRedOp_t op);

// As memcpy, past the caches: for data that is not read again soon and is larger than they are.
void StreamCopy(std::byte* to, const std::byte* from, std::size_t bytes);

// data[i] /= by; toward zero for integers, in float and rounded to nearest even for 16-bit floats.
void Divide(std::byte* data, std::size_t count, ecclDataType_t type, int by);

// Tests compare: false makes these functions use the instructions that every processor has. Not
// while another thread is inside them.
void UseWideInstructions(bool use);

}  // namespace regatta::eccl

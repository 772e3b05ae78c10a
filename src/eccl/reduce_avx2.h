#pragma once

#include <cstddef>

#include "regatta/eccl.h"

namespace regatta::eccl {

// As their namesakes in reduce.h, with the same bits; only for processors with AVX2. On other
// architectures they are the plain loops.
void CombineAvx2(std::byte* to, const std::byte* first, const std::byte* second, std::size_t count,
                 ecclDataType_t type, ecclRedOp_t op);
void DivideAvx2(std::byte* data, std::size_t count, ecclDataType_t type, int by);
void StreamCopyAvx2(std::byte* to, const std::byte* from, std::size_t bytes);

}  // namespace regatta::eccl

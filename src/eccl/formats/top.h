#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace regatta::eccl {

struct Top {
  std::vector<std::uint32_t> indices;  // ascending
  bool all_finite = true;              // of all values, chosen or not
};

// The `k` values of largest magnitude, exactly: of equal ones at the limit those that come first.
// Infinities and, before them, NaNs count as the largest. At most 2^32 values; k <= their number.
Top SelectTop(std::span<const float> values, std::size_t k);

}  // namespace regatta::eccl

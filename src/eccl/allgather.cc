#include "eccl/algorithms.h"

namespace regatta::eccl {

base::Status RingAllGather(Links* links, std::byte* data, std::span<const std::size_t> offsets) {
  const int n = links->size();
  const auto part = [&](int index) {
    const auto p = static_cast<std::size_t>((index % n + n) % n);
    return std::span<std::byte>(data + offsets[p], offsets[p + 1] - offsets[p]);
  };
  for (int step = 0; step < n - 1; ++step) {
    BASE_RETURN_IF_ERROR(links->Exchange(links->Right(), part(links->rank() - step), links->Left(),
                                         part(links->rank() - step - 1)));
  }
  return base::Status();
}

}  // namespace regatta::eccl

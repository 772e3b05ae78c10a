#include "eccl/algorithms.h"

namespace regatta::eccl {

base::Status BinomialBroadcast(Links* links, std::byte* data, std::size_t bytes, int root) {
  const int n = links->size();
  const int place = (links->rank() - root + n) % n;  // the root is place 0
  const auto rank_at = [&](int at) { return (at + root) % n; };
  // The parent is found by clearing the lowest set bit; children add a bit below it.
  int reach = 1;
  while (reach < n && (place & reach) == 0) reach *= 2;
  for (std::size_t at = 0; at < bytes; at += kBlockBytes) {
    const std::span<std::byte> block(data + at, std::min(kBlockBytes, bytes - at));
    if (place != 0) {
      BASE_RETURN_IF_ERROR(links->Receive(rank_at(place - reach), block));
    }
    for (int bit = reach / 2; bit >= 1; bit /= 2) {
      if (place + bit < n) BASE_RETURN_IF_ERROR(links->Send(rank_at(place + bit), block));
    }
  }
  return base::Status();
}

}  // namespace regatta::eccl

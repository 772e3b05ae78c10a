#include <cstring>

#include "eccl/algorithms.h"
#include "eccl/reduce.h"

namespace regatta::eccl {

base::Status RingReduceScatter(Links* links, const std::byte* send, std::byte* receive,
                               std::size_t count, ecclDataType_t type, ecclRedOp_t op) {
  const int n = links->size();
  const int rank = links->rank();
  const std::size_t width = SizeOf(type);
  const std::size_t block = kBlockBytes / width;
  // The send buffer is not ours to change, so the running sums live in two blocks of scratch: one
  // on its way out, one coming in.
  const auto scratch = links->Scratch(2 * kBlockBytes);
  for (std::size_t at = 0; at < count; at += block) {
    const std::size_t some = std::min(block, count - at);
    const auto share = [&](int index) {
      const auto p = static_cast<std::size_t>((index % n + n) % n);
      return std::span<const std::byte>(send + (p * count + at) * width, some * width);
    };
    // Part p starts at rank p+1 and ends, complete, at rank p.
    std::span<const std::byte> out = share(rank - 1);
    for (int step = 0; step < n - 1; ++step) {
      const auto incoming = scratch.subspan(step % 2 == 0 ? 0 : kBlockBytes, some * width);
      BASE_RETURN_IF_ERROR(links->Exchange(links->Right(), out, links->Left(), incoming));
      Reduce(incoming.data(), share(rank - step - 2).data(), some, type, op);
      out = incoming;
    }
    std::byte* result = receive + at * width;
    // With one rank the result is the input, which may be in place.
    if (result != out.data()) std::memcpy(result, out.data(), out.size());
    if (op == ecclAvg) Divide(result, some, type, n);
  }
  return base::Status();
}

}  // namespace regatta::eccl

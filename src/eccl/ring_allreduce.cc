#include "eccl/algorithms.h"
#include "eccl/reduce.h"

namespace regatta::eccl {
namespace {

// One segment of at most n blocks: part p goes once around, collecting every rank's share in ring
// order starting after rank p, then around again as the result.
base::Status OneSegment(Links* links, const ReduceArgs& args, std::size_t width) {
  const int n = links->size();
  const auto part = [&](int index) {
    const int p = (index % n + n) % n;
    const std::size_t begin = PartBegin(args.count, p, n);
    const std::size_t end = PartBegin(args.count, p + 1, n);
    return std::span<std::byte>(args.data + begin * width, (end - begin) * width);
  };
  const int rank = links->rank();
  for (int step = 0; step < n - 1; ++step) {
    const auto out = part(rank - step);
    const auto mine = part(rank - step - 1);
    const auto incoming = links->Scratch(mine.size());
    BASE_RETURN_IF_ERROR(links->Exchange(links->Right(), out, links->Left(), incoming));
    Reduce(mine.data(), incoming.data(), mine.size() / width, args.type, args.op);
  }
  if (args.op == ecclAvg) {
    // Once, by the owner of each finished part, so that all ranks get the same bits.
    const auto mine = part(rank + 1);
    Divide(mine.data(), mine.size() / width, args.type, n);
  }
  for (int step = 0; step < n - 1; ++step) {
    BASE_RETURN_IF_ERROR(
        links->Exchange(links->Right(), part(rank + 1 - step), links->Left(), part(rank - step)));
  }
  return base::Status();
}

}  // namespace

base::Status RingAllReduce(Links* links, const ReduceArgs& args) {
  const std::size_t width = SizeOf(args.type);
  const std::size_t segment = kBlockBytes / width * static_cast<std::size_t>(links->size());
  for (std::size_t at = 0; at < args.count; at += segment) {
    ReduceArgs some = args;
    some.data = args.data + at * width;
    some.count = std::min(segment, args.count - at);
    BASE_RETURN_IF_ERROR(OneSegment(links, some, width));
  }
  return base::Status();
}

}  // namespace regatta::eccl

#include "eccl/algorithms.h"
#include "eccl/reduce.h"

namespace regatta::eccl {
namespace {

// Children are taken in the order of their distance, so each rank adds in a fixed order.
base::Status ReduceToZero(Links* links, const ReduceArgs& args, std::span<std::byte> data) {
  for (int distance = 1; distance < links->size(); distance *= 2) {
    if ((links->rank() & distance) != 0) return links->Send(links->rank() - distance, data);
    const int child = links->rank() + distance;
    if (child >= links->size()) continue;
    const auto incoming = links->Scratch(data.size());
    BASE_RETURN_IF_ERROR(links->Receive(child, incoming));
    Reduce(data.data(), incoming.data(), data.size() / SizeOf(args.type), args.type, args.op);
  }
  return base::Status();
}

}  // namespace

base::Status TreeAllReduce(Links* links, const ReduceArgs& args) {
  const std::size_t width = SizeOf(args.type);
  const std::size_t block = kBlockBytes / width;
  for (std::size_t at = 0; at < args.count; at += block) {
    const std::size_t count = std::min(block, args.count - at);
    const std::span<std::byte> data(args.data + at * width, count * width);
    BASE_RETURN_IF_ERROR(ReduceToZero(links, args, data));
    if (args.op == ecclAvg && links->rank() == 0) {
      Divide(data.data(), count, args.type, links->size());
    }
    BASE_RETURN_IF_ERROR(BinomialBroadcast(links, data.data(), data.size(), 0));
  }
  return base::Status();
}

}  // namespace regatta::eccl

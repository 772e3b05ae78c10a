#include <cstring>

#include "eccl/algorithms.h"

namespace regatta::eccl {

base::Status PairwiseAllToAll(Links* links, const std::byte* send,
                              std::span<const std::size_t> send_offsets, std::byte* receive,
                              std::span<const std::size_t> receive_offsets) {
  const auto out_part = [&](int rank) {
    const auto r = static_cast<std::size_t>(rank);
    return std::span<const std::byte>(send + send_offsets[r],
                                      send_offsets[r + 1] - send_offsets[r]);
  };
  const auto in_part = [&](int rank) {
    const auto r = static_cast<std::size_t>(rank);
    return std::span<std::byte>(receive + receive_offsets[r],
                                receive_offsets[r + 1] - receive_offsets[r]);
  };
  for (int step = 1; step < links->size(); ++step) {
    const int to = links->Right(step);
    const int from = links->Left(step);
    const std::uint64_t announced = out_part(to).size();
    std::uint64_t coming = 0;
    BASE_RETURN_IF_ERROR(links->Exchange(to, std::as_bytes(std::span(&announced, 1)), from,
                                         std::as_writable_bytes(std::span(&coming, 1))));
    if (coming != in_part(from).size()) {
      return base::Status(base::Code::kAborted,
                          "rank " + std::to_string(from) + " sends " + std::to_string(coming) +
                              " bytes to rank " + std::to_string(links->rank()) +
                              ", which expects " + std::to_string(in_part(from).size()));
    }
    BASE_RETURN_IF_ERROR(links->Exchange(to, out_part(to), from, in_part(from)));
  }
  const auto own = out_part(links->rank());
  if (!own.empty()) std::memcpy(in_part(links->rank()).data(), own.data(), own.size());
  return base::Status();
}

}  // namespace regatta::eccl

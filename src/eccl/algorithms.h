#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "base/status.h"
#include "eccl/links.h"
#include "eccl/types.h"

namespace regatta::eccl {

// The collectives as step programs over Links: each knows neither wire nor wait. One file each.
// Payload moves in blocks of this size, so that scratch memory stays in the cache and neighbours
// work on different blocks at the same time.
inline constexpr std::size_t kBlockBytes = 128u << 10;

struct ReduceArgs {
  std::byte* data;  // in place
  std::size_t count;
  ecclDataType_t type;
  ecclRedOp_t op;
};
// Reduce-scatter, then all-gather around the ring: moves 2 (n-1)/n of the data per rank, in 2 (n-1)
// steps. For large counts.
base::Status RingAllReduce(Links* links, const ReduceArgs& args);
// Up a binomial tree to rank 0 and down again: all data 2 log2(n) times, few steps. For small
// counts.
base::Status TreeAllReduce(Links* links, const ReduceArgs& args);

// `send` holds n parts of `count` elements; `receive` gets this rank's part reduced. Ring.
base::Status RingReduceScatter(Links* links, const std::byte* send, std::byte* receive,
                               std::size_t count, ecclDataType_t type, ecclRedOp_t op);

// Part r of `data` is [offsets[r], offsets[r+1]) bytes; this rank's part is filled in already.
// Ring.
base::Status RingAllGather(Links* links, std::byte* data, std::span<const std::size_t> offsets);

// Down a binomial tree, block by block.
base::Status BinomialBroadcast(Links* links, std::byte* data, std::size_t bytes, int root);

// Parts as in RingAllGather, of `send` by destination and of `receive` by source. Pairwise.
base::Status PairwiseAllToAll(Links* links, const std::byte* send,
                              std::span<const std::size_t> send_offsets, std::byte* receive,
                              std::span<const std::size_t> receive_offsets);

// ceil(log2 n) rounds.
base::Status DisseminationBarrier(Links* links);

// Where the i-th of n nearly equal parts of `count` begins.
inline std::size_t PartBegin(std::size_t count, int i, int n) {
  const auto un = static_cast<std::size_t>(n);
  const auto ui = static_cast<std::size_t>(i);
  return count / un * ui + std::min(ui, count % un);
}

}  // namespace regatta::eccl

#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "eccl/executor.h"
#include "eccl/links.h"
#include "eccl/shm_channel.h"
#include "eccl/types.h"

namespace regatta::eccl {

// Collectives of a few bytes between ranks that all share memory: each rank writes its values once,
// into a slot of its own segment, and reads everybody's from there. One round, no steps, nothing
// allocated: what a program's fixed cost would be most of. Results are combined in the order of the
// ranks, so every rank gets the same bits. Used by one thread at a time.
//
// Every call needs all ranks, so a rank that is in its call n has seen that all have ended call
// n-2: two slots that take turns are enough, and nobody has to say when it has read one.
class Flat {
 public:
  // Whether so many ranks can use it.
  static bool Usable(std::size_t ranks);
  // segments[rank], of this rank too.
  Flat(Links* links, std::vector<std::shared_ptr<ShmSegment>> segments);

  // Whether it may be used for a call to which each rank brings `bytes`; the same on all ranks.
  bool Fits(std::size_t bytes) const { return bytes <= most_bytes_; }

  // As the functions of Communicator; `call` is compared with every peer's. Errors are those of
  // Links::Until; kAborted when a peer calls something else (the text shows both calls).
  base::Status AllReduce(const OpDescriptor& call, const std::byte* input, std::byte* output);
  // `parts` of the output, by rank; the input is this rank's.
  base::Status AllGather(const OpDescriptor& call, const std::byte* input, std::byte* output,
                         std::span<const Extent> parts);
  base::Status ReduceScatter(const OpDescriptor& call, const std::byte* input, std::byte* output);
  base::Status Barrier(const OpDescriptor& call);

 private:
  // Shows the others the call and `bytes` of `input`.
  void Publish(const OpDescriptor& call, const std::byte* input, std::size_t bytes);
  // Calls `read(rank, data)` for all ranks, in their order.
  template <typename Read>
  base::Status ReadAll(const OpDescriptor& call, Read read);
  // output = op over all ranks of `count` elements that begin at byte `begin` of their data.
  base::Status ReduceAll(const OpDescriptor& call, std::byte* output, std::size_t begin,
                         std::size_t count);

  Links* links_;
  std::vector<std::shared_ptr<ShmSegment>> segments_;
  std::size_t most_bytes_;
  std::uint64_t number_ = 0;  // of the call
};

}  // namespace regatta::eccl

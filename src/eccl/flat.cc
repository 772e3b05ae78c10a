#include "eccl/flat.h"

#include <cstring>

#include "base/fault.h"
#include "eccl/reduce.h"

namespace regatta::eccl {
namespace {

using base::Status;

// One rank reads everybody's values one after the other: with more ranks, rounds of a tree win.
constexpr std::size_t kMostRanks = 32;

}  // namespace

Flat::Flat(Links* links, std::vector<std::shared_ptr<ShmSegment>> segments)
    : links_(links),
      segments_(std::move(segments)),
      most_bytes_(ShmSlot::kDataBytes / (segments_.size() - 1)) {}

bool Flat::Usable(std::size_t ranks) { return ranks > 1 && ranks <= kMostRanks; }

void Flat::Publish(const OpDescriptor& call, const std::byte* input, std::size_t bytes) {
  ++number_;
  ShmSlot* slot = segments_[static_cast<std::size_t>(links_->rank())]->slot(number_);
  call.Encode(slot->call);
  if (bytes > 0) std::memcpy(slot->data, input, bytes);
  slot->number.store(number_);
  for (int rank = 0; rank < links_->size(); ++rank) {
    if (rank != links_->rank()) segments_[static_cast<std::size_t>(rank)]->bell()->Ring();
  }
}

template <typename Read>
Status Flat::ReadAll(const OpDescriptor& call, Read read) {
  std::byte wire[OpDescriptor::kWireBytes];
  call.Encode(wire);
  int rank = 0;
  const auto move = [&](bool* moved) -> base::Result<bool> {
    for (; rank < links_->size(); ++rank) {
      const ShmSlot* slot = segments_[static_cast<std::size_t>(rank)]->slot(number_);
      if (slot->number.load() != number_) return false;
      if (std::memcmp(slot->call, wire, sizeof(wire)) != 0) {
        OpDescriptor theirs;
        const bool is_one = OpDescriptor::Decode(slot->call, &theirs);
        return is_one ? Mismatch(*links_->health(), rank, theirs, call) : links_->LostStep(rank);
      }
      if (rank != links_->rank()) REGATTA_FAULT("eccl.collective.agreed");
      read(static_cast<std::size_t>(rank), slot->data);
      *moved = true;
    }
    return true;
  };
  return links_->Until(move, [&] { return std::vector<Links::Interest>{{rank, false}}; });
}

Status Flat::ReduceAll(const OpDescriptor& call, std::byte* output, std::size_t begin,
                       std::size_t count) {
  const std::byte* first = nullptr;
  const auto read = [&](std::size_t rank, const std::byte* data) {
    if (rank == 0) {
      first = data + begin;
    } else {
      Combine(output, rank == 1 ? first : output, data + begin, count, call.type, call.op);
    }
  };
  BASE_RETURN_IF_ERROR(ReadAll(call, read));
  if (call.op == ecclAvg) Divide(output, count, call.type, links_->size());
  return Status();
}

Status Flat::AllReduce(const OpDescriptor& call, const std::byte* input, std::byte* output) {
  Publish(call, input, call.count * SizeOf(call.type));
  return ReduceAll(call, output, 0, call.count);
}

Status Flat::ReduceScatter(const OpDescriptor& call, const std::byte* input, std::byte* output) {
  const std::size_t share = call.count * SizeOf(call.type);
  Publish(call, input, share * segments_.size());
  return ReduceAll(call, output, share * static_cast<std::size_t>(links_->rank()), call.count);
}

Status Flat::AllGather(const OpDescriptor& call, const std::byte* input, std::byte* output,
                       std::span<const Extent> parts) {
  Publish(call, input, parts[static_cast<std::size_t>(links_->rank())].bytes);
  return ReadAll(call, [&](std::size_t rank, const std::byte* data) {
    if (parts[rank].bytes > 0) std::memcpy(output + parts[rank].begin, data, parts[rank].bytes);
  });
}

Status Flat::Barrier(const OpDescriptor& call) {
  Publish(call, nullptr, 0);
  return ReadAll(call, [](std::size_t, const std::byte*) {});
}

}  // namespace regatta::eccl

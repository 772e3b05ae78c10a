#include "eccl/formats/sparse_dialogue.h"

#include <algorithm>

#include "eccl/formats/dense.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

Status Impossible(std::size_t member) {
  return Status(Code::kDataLoss, "rank " + std::to_string(member) +
                                     " sent an index outside the tensor: its data is damaged");
}

}  // namespace

SparseGather::SparseGather(const Entries* entries, int members, int own)
    : entries_(entries),
      own_(static_cast<std::size_t>(own)),
      peers_(static_cast<std::size_t>(members)) {
  for (std::size_t member = 0; member < peers_.size(); ++member) {
    if (member == own_) continue;
    peers_[member].entries.indices.resize(entries->size());
    peers_[member].entries.values.resize(entries->size());
  }
}

Dialogue::Next SparseGather::Say(int member, std::span<const std::byte>* message) {
  switch (peers_[static_cast<std::size_t>(member)].said++) {
    case 0:
      *message = std::as_bytes(std::span(entries_->indices));
      return Next::kMessage;
    case 1:
      *message = std::as_bytes(std::span(entries_->values));
      return Next::kMessage;
    default:
      return Next::kEnd;
  }
}

Dialogue::Next SparseGather::Hear(int member, std::span<std::byte>* room) {
  Peer& peer = peers_[static_cast<std::size_t>(member)];
  if (peer.heard == 2) return Next::kEnd;
  *room = peer.heard == 0 ? std::as_writable_bytes(std::span(peer.entries.indices))
                          : std::as_writable_bytes(std::span(peer.entries.values));
  return Next::kMessage;
}

Status SparseGather::Heard(int member) {
  ++peers_[static_cast<std::size_t>(member)].heard;
  return Status();
}

Status SparseGather::AddInto(std::span<float> sum, int divide_by) const {
  for (std::size_t member = 0; member < peers_.size(); ++member) {
    const Entries& entries = member == own_ ? *entries_ : peers_[member].entries;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (entries.indices[i] >= sum.size()) return Impossible(member);
      sum[entries.indices[i]] += entries.values[i];
    }
  }
  if (divide_by == 1) return Status();
  for (float& value : sum) value /= static_cast<float>(divide_by);
  return Status();
}

SparseToOwners::SparseToOwners(const Entries& entries, std::span<float> sum, int divide_by,
                               int members, int own)
    : entries_(entries),
      sum_(sum),
      divide_by_(divide_by),
      own_(static_cast<std::size_t>(own)),
      bounds_(ShareBounds(sum.size(), static_cast<std::size_t>(members))),
      peers_(static_cast<std::size_t>(members)) {
  for (std::size_t member = 0; member < peers_.size(); ++member) {
    peers_[member].counts[0] = IndicesFor(member).size();
  }
}

std::span<const std::uint32_t> SparseToOwners::IndicesFor(std::size_t member) const {
  const auto& all = entries_.indices;
  const auto begin = std::lower_bound(all.begin(), all.end(), bounds_[member]);
  return {begin, std::lower_bound(begin, all.end(), bounds_[member + 1])};
}

std::span<float> SparseToOwners::ShareOf(std::size_t member) const {
  return sum_.subspan(bounds_[member], bounds_[member + 1] - bounds_[member]);
}

Dialogue::Next SparseToOwners::Say(int member, std::span<const std::byte>* message) {
  const auto to = static_cast<std::size_t>(member);
  Peer& peer = peers_[to];
  const std::span<const std::uint32_t> indices = IndicesFor(to);
  if (peer.said == 3 && turn_ < peers_.size()) return Next::kLater;
  switch (peer.said++) {
    case 0:
      *message = std::as_bytes(std::span(&peer.counts[0], 1));
      return Next::kMessage;
    case 1:
      *message = std::as_bytes(indices);
      return Next::kMessage;
    case 2:
      *message = std::as_bytes(std::span(
          entries_.values.data() + (indices.data() - entries_.indices.data()), indices.size()));
      return Next::kMessage;
    case 3:
      *message = std::as_bytes(ShareOf(own_));
      return Next::kMessage;
    default:
      return Next::kEnd;
  }
}

Dialogue::Next SparseToOwners::Hear(int member, std::span<std::byte>* room) {
  const auto from = static_cast<std::size_t>(member);
  Peer& peer = peers_[from];
  switch (peer.heard) {
    case 0:
      *room = std::as_writable_bytes(std::span(&peer.counts[1], 1));
      return Next::kMessage;
    case 1:
      *room = std::as_writable_bytes(std::span(peer.entries.indices));
      return Next::kMessage;
    case 2:
      *room = std::as_writable_bytes(std::span(peer.entries.values));
      return Next::kMessage;
    case 3:
      *room = std::as_writable_bytes(ShareOf(from));
      return Next::kMessage;
    default:
      return Next::kEnd;
  }
}

Status SparseToOwners::Heard(int member) {
  Peer& peer = peers_[static_cast<std::size_t>(member)];
  ++peer.heard;
  if (peer.heard == 1) {
    if (peer.counts[1] > ShareOf(own_).size()) return Impossible(static_cast<std::size_t>(member));
    peer.entries.indices.resize(peer.counts[1]);
    peer.entries.values.resize(peer.counts[1]);
  }
  return peer.heard == 3 ? Advance() : Status();
}

Status SparseToOwners::Advance() {
  while (turn_ < peers_.size()) {
    if (turn_ == own_) {
      const auto indices = IndicesFor(own_);
      BASE_RETURN_IF_ERROR(Add(
          indices,
          {entries_.values.data() + (indices.data() - entries_.indices.data()), indices.size()}));
    } else {
      Peer& peer = peers_[turn_];
      if (peer.heard < 3) return Status();
      BASE_RETURN_IF_ERROR(Add(peer.entries.indices, peer.entries.values));
    }
    ++turn_;
  }
  if (divide_by_ == 1) return Status();
  for (float& value : ShareOf(own_)) value /= static_cast<float>(divide_by_);
  return Status();
}

Status SparseToOwners::Add(std::span<const std::uint32_t> indices, std::span<const float> values) {
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < bounds_[own_] || indices[i] >= bounds_[own_ + 1]) {
      return Impossible(turn_);
    }
    sum_[indices[i]] += values[i];
  }
  return Status();
}

}  // namespace regatta::eccl

#include "eccl/formats/dense.h"

#include <algorithm>
#include <cstring>

#include "eccl/formats/convert.h"
#include "eccl/reduce.h"
#include "eccl/types.h"

namespace regatta::eccl {
namespace {

std::unique_ptr<std::byte[]> Room(std::size_t bytes) {
  return std::make_unique_for_overwrite<std::byte[]>(bytes);
}

std::byte* Raw(float* floats) { return reinterpret_cast<std::byte*>(floats); }

}  // namespace

std::vector<std::size_t> ShareBounds(std::size_t count, std::size_t members) {
  std::vector<std::size_t> bounds{0};
  for (std::size_t i = 0; i < members; ++i) {
    bounds.push_back(bounds.back() + count / members + (i < count % members ? 1 : 0));
  }
  return bounds;
}

DenseReduce::DenseReduce(const Codec& codec, const DenseCall& call, int members, int own)
    : codec_(codec),
      call_(call),
      members_(static_cast<std::size_t>(members)),
      own_(static_cast<std::size_t>(own)),
      bounds_(ShareBounds(call.count, members_)),
      peers_(members_) {
  const std::size_t longest = std::min(kBlock, call.count);
  sum_ = Room(longest * sizeof(float));
  work_ = Room(longest * sizeof(float));
  if (call.residual != nullptr) lossy_ = Room(longest * sizeof(float));
  for (std::size_t member = 0; member < members_; ++member) {
    if (member == own_) continue;
    peers_[member].out = Room(codec_.Bytes(longest));
    peers_[member].in = Room(codec_.Bytes(longest));
  }
  std::size_t bytes = 0;
  for (std::size_t number = 0; number < Blocks(own_); ++number) {
    result_begins_.push_back(bytes);
    bytes += codec_.Bytes(BlockOf(own_, number).count);
  }
  results_ = Room(bytes);
  Advance();
}

std::size_t DenseReduce::Blocks(std::size_t member) const {
  return (bounds_[member + 1] - bounds_[member] + kBlock - 1) / kBlock;
}

DenseReduce::Block DenseReduce::BlockOf(std::size_t member, std::size_t number) const {
  const std::size_t begin = bounds_[member] + number * kBlock;
  return {begin, std::min(kBlock, bounds_[member + 1] - begin)};
}

// This rank's values with what earlier calls still owe; in `room`, unless they are in the input.
const std::byte* DenseReduce::Floats(const Block& block, std::byte* room) const {
  const std::byte* input = call_.input + block.begin * SizeOf(call_.type);
  if (call_.residual == nullptr && call_.type == ecclFloat32) return input;
  Widen(input, room, block.count, call_.type);
  if (call_.residual != nullptr) {
    Combine(room, room, Raw(call_.residual + block.begin), block.count, ecclFloat32, ecclSum);
  }
  return room;
}

void DenseReduce::EncodeValues(const Block& block, std::byte* wire) {
  const std::byte* floats = Floats(block, work_.get());
  codec_.Encode(floats, wire, block.count);
  if (call_.residual == nullptr) return;
  codec_.Decode(wire, lossy_.get(), block.count);
  Remainder(floats, lossy_.get(), Raw(call_.residual + block.begin), block.count);
}

Dialogue::Next DenseReduce::Say(int member, std::span<const std::byte>* message) {
  const auto to = static_cast<std::size_t>(member);
  Peer& peer = peers_[to];
  if (peer.said < Blocks(to)) {
    const Block block = BlockOf(to, peer.said++);
    EncodeValues(block, peer.out.get());
    *message = {peer.out.get(), codec_.Bytes(block.count)};
    return Next::kMessage;
  }
  const std::size_t number = peer.said - Blocks(to);
  if (number == Blocks(own_)) return Next::kEnd;
  if (number >= block_) return Next::kLater;
  ++peer.said;
  *message = {results_.get() + result_begins_[number], codec_.Bytes(BlockOf(own_, number).count)};
  return Next::kMessage;
}

Dialogue::Next DenseReduce::Hear(int member, std::span<std::byte>* room) {
  const auto from = static_cast<std::size_t>(member);
  const Peer& peer = peers_[from];
  if (peer.full) return Next::kLater;
  const bool values = peer.heard < Blocks(own_);
  const std::size_t number = values ? peer.heard : peer.heard - Blocks(own_);
  if (!values && number == Blocks(from)) return Next::kEnd;
  *room = {peer.in.get(), codec_.Bytes(BlockOf(values ? own_ : from, number).count)};
  return Next::kMessage;
}

base::Status DenseReduce::Heard(int member) {
  const auto from = static_cast<std::size_t>(member);
  Peer& peer = peers_[from];
  const std::size_t number = peer.heard++;
  if (number < Blocks(own_)) {
    peer.full = true;
    Advance();
  } else {
    StoreResult(BlockOf(from, number - Blocks(own_)), peer.in.get());
  }
  return base::Status();
}

void DenseReduce::Advance() {
  while (block_ < Blocks(own_)) {
    const Block block = BlockOf(own_, block_);
    if (turn_ == own_) {
      // The own share's debt is of the result, and is paid when that is encoded.
      Widen(call_.input + block.begin * SizeOf(call_.type), work_.get(), block.count, call_.type);
      AddTo(block, work_.get());
    } else {
      Peer& peer = peers_[turn_];
      if (!peer.full) return;
      codec_.Decode(peer.in.get(), work_.get(), block.count);
      AddTo(block, work_.get());
      peer.full = false;
    }
    if (++turn_ < members_) continue;
    Finish(block);
    turn_ = 0;
    ++block_;
  }
}

void DenseReduce::AddTo(const Block& block, const std::byte* floats) {
  if (turn_ == 0) {
    std::memcpy(sum_.get(), floats, block.count * sizeof(float));
  } else {
    Combine(sum_.get(), sum_.get(), floats, block.count, ecclFloat32, ecclSum);
  }
}

void DenseReduce::Finish(const Block& block) {
  std::byte* wire = results_.get() + result_begins_[block_];
  float* residual = call_.residual == nullptr ? nullptr : call_.residual + block.begin;
  if (residual != nullptr) {
    Combine(sum_.get(), sum_.get(), Raw(residual), block.count, ecclFloat32, ecclSum);
  }
  if (call_.divide_by > 1) Divide(sum_.get(), block.count, ecclFloat32, call_.divide_by);
  codec_.Encode(sum_.get(), wire, block.count);
  if (residual != nullptr) {
    codec_.Decode(wire, lossy_.get(), block.count);
    Remainder(sum_.get(), lossy_.get(), Raw(residual), block.count);
    // Of the result; debts are of sums, whoever owns the share next time.
    const auto by = static_cast<float>(call_.divide_by);
    for (std::size_t i = 0; i < block.count; ++i) residual[i] *= by;
  }
  StoreResult(block, wire);
}

void DenseReduce::StoreResult(const Block& block, const std::byte* wire) {
  std::byte* output = call_.output + block.begin * SizeOf(call_.type);
  if (call_.type == ecclFloat32) return codec_.Decode(wire, output, block.count);
  codec_.Decode(wire, work_.get(), block.count);
  Narrow(work_.get(), output, block.count, call_.type);
}

}  // namespace regatta::eccl

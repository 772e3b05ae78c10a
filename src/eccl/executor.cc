#include "eccl/executor.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/fault.h"
#include "eccl/reduce.h"
#include "eccl/shm_channel.h"

namespace regatta::eccl {
namespace {

using base::Status;

// A peer is told after so much, and starts to work on it while the next is made.
constexpr std::size_t kPieceBytes = 16u << 10;
// What two passes over memory work on, so that the second finds it in the nearest cache.
constexpr std::size_t kStripBytes = 4u << 10;

// Results of calls with more data than this are stored past the caches: before, they still find
// room in the largest one, and storing past it costs half as much again.
std::size_t StreamBytes() {
  constexpr std::size_t kUsual = 32u << 20;
#ifdef _SC_LEVEL3_CACHE_SIZE
  static const std::int64_t size = sysconf(_SC_LEVEL3_CACHE_SIZE);
  if (size > 0) return static_cast<std::size_t>(size);
#endif
  return kUsual;
}

void Copy(std::byte* to, const std::byte* from, std::size_t bytes, bool stream) {
  if (bytes == 0 || to == from) return;
  if (stream) {
    StreamCopy(to, from, bytes);
  } else {
    std::memcpy(to, from, bytes);
  }
}

}  // namespace

class Executor::Execution {
 public:
  Execution(Links* links, const Plan& plan, const Call& call, Executor* owner)
      : links_(links), plan_(plan), call_(call), steps_(plan.program.steps.size()) {
    width_ = SizeOf(call.descriptor.type);
    std::size_t longest = 0, total = 0;
    for (const auto* parts : {&call.input_parts, &call.output_parts}) {
      std::size_t sum = 0;
      for (const Extent& extent : *parts) {
        longest = std::max(longest, extent.bytes);
        sum += extent.bytes;
      }
      total = std::max(total, sum);
    }
    block_ = kBlockBytes;
    // Every pair of an all-to-all has counts of its own, and tells them even when they are 0. A
    // barrier is nothing but descriptors.
    const OpKind kind = call.descriptor.kind;
    const std::size_t least = kind == OpKind::kAllToAll || kind == OpKind::kBarrier ? 1 : 0;
    blocks_ = std::max(least, (longest + block_ - 1) / block_);
    stream_ = total >= StreamBytes();
    window_ = std::min(kBlocksUnderWay, blocks_);
    states_.resize(window_ * steps_);
    over_.resize(window_);
    const auto scratch_parts = static_cast<std::size_t>(plan.program.scratch_parts);
    scratch_block_ = std::min(block_, longest);
    scratch_ = owner->Scratch(window_ * scratch_parts * scratch_block_ + kStripBytes);
    strip_ = scratch_ + window_ * scratch_parts * scratch_block_;
    for (const Order::Port& port : plan.order.receives) receives_.push_back(MakePort(port));
    for (const Order::Port& port : plan.order.sends) {
      sends_.push_back(MakePort(port));
      sends_.back().call.Encode(sends_.back().wire);
    }
    for (std::size_t i = 0; i < steps_; ++i) {
      const Step& step = plan.program.steps[i];
      if (step.receive_from < 0 && step.target.place != Place::kNone) copies_.push_back(int(i));
    }
  }

  Status Run() {
    if (blocks_ == 0 || steps_ == 0) return Status();
    // Before anything else, so that values which arrive can be passed on in the same pass.
    bool moved = false;
    Turn turn{};
    for (Port& port : sends_) {
      if (HasTurn(port, &turn)) BASE_RETURN_IF_ERROR(SendHeader(port, &moved).status());
    }
    return links_->Until([this](bool* moved) { return Move(moved); },
                         [this] { return Interests(); });
  }

 private:
  struct State {
    std::size_t arrived = 0;  // bytes stored (of a step that receives or copies)
    std::size_t sent = 0;
    bool free = false;  // nothing to wait for among earlier steps
    bool stored = false;
    bool sent_all = false;
    bool over = false;
  };
  struct Port {
    const Order::Port* order;
    Channel* channel;
    ShmChannel* shm;
    std::size_t block = 0, index = 0;  // the step that has its turn
    OpDescriptor call;                 // as this rank sees it
    std::size_t header = 0;            // bytes of the descriptor that have passed
    std::byte wire[OpDescriptor::kWireBytes];
    // Of a wire without memory of its own: what arrived of an operand and is not combined yet.
    std::vector<std::byte> stage;
    std::size_t staged = 0;
  };
  // One step on one block.
  struct Turn {
    std::size_t block;
    int number;
    const Step* step;
    State* state;
  };

  Port MakePort(const Order::Port& order) {
    Channel* channel = links_->channel(order.peer);
    Port port{.order = &order, .channel = channel, .shm = channel->shm(), .call = call_.descriptor};
    if (port.call.kind == OpKind::kAllToAll) {
      port.call.count = 0;
      for (std::size_t block = 0; block < blocks_; ++block) {
        for (const int step : order.steps) port.call.count += Length(TurnOf(block, step)) / width_;
      }
    }
    return port;
  }

  base::Result<bool> Move(bool* moved) {
    if (!copies_.empty()) MoveCopies(moved);
    for (Port& port : receives_) BASE_RETURN_IF_ERROR(MoveReceive(port, moved));
    for (Port& port : sends_) BASE_RETURN_IF_ERROR(MoveSend(port, moved));
    return first_ == blocks_;
  }

  std::vector<Links::Interest> Interests() {
    std::vector<Links::Interest> interests;
    Turn turn{};
    for (Port& port : receives_) {
      if (HasTurn(port, &turn)) interests.push_back({port.order->peer, false});
    }
    for (Port& port : sends_) {
      if (HasTurn(port, &turn) && Ready(turn) > turn.state->sent) {
        interests.push_back({port.order->peer, true});
      }
    }
    return interests;
  }

  Turn TurnOf(std::size_t block, int number) {
    return {block, number, &plan_.program.steps[static_cast<std::size_t>(number)],
            &states_[block % window_ * steps_ + static_cast<std::size_t>(number)]};
  }

  // The port's next step, when its block is under way and earlier steps let it.
  bool HasTurn(Port& port, Turn* turn) {
    if (port.block == blocks_ || port.block >= first_ + window_) return false;
    *turn = TurnOf(port.block, port.order->steps[port.index]);
    return IsFree(*turn);
  }
  void NextTurn(Port& port) {
    if (++port.index == port.order->steps.size()) {
      port.index = 0;
      ++port.block;
    }
  }

  bool IsFree(const Turn& turn) {
    if (turn.state->free) return true;
    const auto number = static_cast<std::size_t>(turn.number);
    for (const int before : plan_.order.after_stored[number]) {
      if (!TurnOf(turn.block, before).state->stored) return false;
    }
    for (const int before : plan_.order.after_done[number]) {
      if (!TurnOf(turn.block, before).state->over) return false;
    }
    return turn.state->free = true;
  }

  std::byte* Memory(const Slice& slice, std::size_t block) const {
    const auto part = static_cast<std::size_t>(slice.part);
    if (slice.place == Place::kScratch) {
      const auto parts = static_cast<std::size_t>(plan_.program.scratch_parts);
      return scratch_ + (block % window_ * parts + part) * scratch_block_;
    }
    if (slice.place == Place::kOutput) {
      return call_.output + call_.output_parts[part].begin + block * block_;
    }
    // Never written to: targets are output and scratch.
    return const_cast<std::byte*>(call_.input) + call_.input_parts[part].begin + block * block_;
  }
  std::size_t BytesOf(const Extent& extent, std::size_t block) const {
    const std::size_t begin = block * block_;
    return extent.bytes <= begin ? 0 : std::min(block_, extent.bytes - begin);
  }
  // How long the values of a step are.
  std::size_t Length(const Turn& turn) const {
    for (const Slice* slice : {&turn.step->target, &turn.step->source}) {
      const auto part = static_cast<std::size_t>(slice->part);
      if (slice->place == Place::kOutput) return BytesOf(call_.output_parts[part], turn.block);
    }
    return BytesOf(call_.input_parts[static_cast<std::size_t>(turn.step->part)], turn.block);
  }

  // How many bytes of the step's value are there to be sent.
  std::size_t Ready(const Turn& turn) const {
    return turn.step->target.place == Place::kNone ? Length(turn) : turn.state->arrived;
  }

  void Stored(const Turn& turn) {
    turn.state->stored = true;
    if (turn.step->send_to < 0 || turn.state->sent_all) Over(turn);
  }
  void Over(const Turn& turn) {
    turn.state->over = true;
    ++over_[turn.block % window_];
    while (first_ < blocks_ && over_[first_ % window_] == steps_) {
      over_[first_ % window_] = 0;
      std::fill_n(states_.begin() + static_cast<std::ptrdiff_t>(first_ % window_ * steps_), steps_,
                  State{});
      ++first_;
    }
  }

  void MoveCopies(bool* moved) {
    while (copy_block_ < blocks_ && copy_block_ < first_ + window_) {
      const Turn turn = TurnOf(copy_block_, copies_[copy_index_]);
      if (!IsFree(turn)) return;
      Copy(Memory(turn.step->target, turn.block), Memory(turn.step->source, turn.block),
           Length(turn), stream_);
      turn.state->arrived = Length(turn);
      *moved = true;
      if (++copy_index_ == copies_.size()) {
        copy_index_ = 0;
        ++copy_block_;
      }
      Stored(turn);
    }
  }

  // --- receiving ---

  Status MoveReceive(Port& port, bool* moved) {
    Turn turn{};
    while (HasTurn(port, &turn)) {
      BASE_ASSIGN_OR_RETURN(const bool agreed, ReceiveHeader(port, moved));
      if (!agreed) return Status();
      const std::size_t length = Length(turn);
      if (turn.state->arrived < length) {
        bool more = false;
        if (port.shm != nullptr) {
          more = ReceiveFromMemory(port, turn, length);
        } else {
          BASE_ASSIGN_OR_RETURN(more, ReceiveFromStream(port, turn, length));
        }
        if (!more) return Status();
        *moved = true;
        if (turn.state->arrived < length) continue;
        port.channel->EndReceive();
      }
      NextTurn(port);
      *moved = true;
      Stored(turn);
    }
    return Status();
  }

  // True once the peer has said that it makes the same call.
  base::Result<bool> ReceiveHeader(Port& port, bool* moved) {
    if (port.header == OpDescriptor::kWireBytes) return true;
    auto got = port.channel->TryReceive(std::span(port.wire).subspan(port.header));
    if (!got.ok()) return links_->LostChannel(port.order->peer, got.status());
    if (*got > 0) *moved = true;
    port.header += *got;
    if (port.header < OpDescriptor::kWireBytes) return false;
    port.channel->EndReceive();
    OpDescriptor theirs;
    const bool is_one = OpDescriptor::Decode(port.wire, &theirs);
    if (!is_one || theirs != port.call) {
      return is_one ? Mismatch(*links_->health(), port.order->peer, theirs, port.call)
                    : links_->LostStep(port.order->peer);
    }
    REGATTA_FAULT("eccl.collective.agreed");
    return true;
  }

  bool ReceiveFromMemory(Port& port, const Turn& turn, std::size_t length) {
    const auto arrived = port.shm->Arrived();
    std::size_t bytes = std::min({arrived.size(), length - turn.state->arrived, kPieceBytes});
    if (bytes == 0) return false;
    // When this step's own send has its turn and room, the value goes there in the same pass.
    ShmChannel* out = nullptr;
    Port* out_port = nullptr;
    if (turn.step->send_to >= 0 && turn.state->sent == turn.state->arrived) {
      out_port = SendPort(turn);
      if (out_port != nullptr && out_port->shm != nullptr &&
          out_port->header == OpDescriptor::kWireBytes) {
        out = out_port->shm;
      }
    }
    std::span<std::byte> room;
    if (out != nullptr) {
      room = out->Room();
      if (room.empty()) {
        out = nullptr;
      } else {
        bytes = std::min(bytes, room.size());
      }
    }
    Process(turn, arrived.data(), bytes, out != nullptr ? room.data() : nullptr);
    port.shm->Taken(bytes);
    turn.state->arrived += bytes;
    if (out != nullptr) {
      out->Filled(bytes);
      turn.state->sent += bytes;
      if (turn.state->sent == length) {
        out->EndSend();
        NextTurn(*out_port);
        turn.state->sent_all = true;
      }
    }
    return true;
  }

  // The port on which the step's send has its turn.
  Port* SendPort(const Turn& turn) {
    for (Port& port : sends_) {
      if (port.order->peer != turn.step->send_to) continue;
      const bool has = port.block == turn.block && port.order->steps[port.index] == turn.number;
      return has ? &port : nullptr;
    }
    return nullptr;
  }

  base::Result<bool> ReceiveFromStream(Port& port, const Turn& turn, std::size_t length) {
    const std::size_t left = length - turn.state->arrived;
    if (!turn.step->combine) {
      std::byte* target = Memory(turn.step->target, turn.block) + turn.state->arrived;
      auto got = port.channel->TryReceive({target, left});
      if (!got.ok()) return links_->LostChannel(port.order->peer, got.status());
      turn.state->arrived += *got;
      return *got > 0;
    }
    if (port.stage.empty()) port.stage.resize(block_);
    auto got =
        port.channel->TryReceive(std::span(port.stage).subspan(port.staged, left - port.staged));
    if (!got.ok()) return links_->LostChannel(port.order->peer, got.status());
    port.staged += *got;
    const std::size_t whole = port.staged / width_ * width_;
    if (whole > 0) {
      Process(turn, port.stage.data(), whole, nullptr);
      turn.state->arrived += whole;
      port.staged -= whole;
      std::memmove(port.stage.data(), port.stage.data() + whole, port.staged);
    }
    return *got > 0;
  }

  // Stores the next `bytes` of a step's value, made of what arrived, and puts them into `also`.
  void Process(const Turn& turn, const std::byte* arrived, std::size_t bytes, std::byte* also) {
    const Step& step = *turn.step;
    std::byte* target = Memory(step.target, turn.block) + turn.state->arrived;
    // What is sent from there later, or combined again, is wanted in the cache.
    const bool stream = stream_ && step.target.place == Place::kOutput &&
                        (step.send_to < 0 || also != nullptr) &&
                        !plan_.order.read_again[static_cast<std::size_t>(turn.number)];
    if (!step.combine) {
      if (also != nullptr) std::memcpy(also, arrived, bytes);
      Copy(target, arrived, bytes, stream);
      return;
    }
    const std::byte* source = Memory(step.source, turn.block) + turn.state->arrived;
    if (also == nullptr && !stream) {
      CombineStrip(step, target, source, arrived, bytes);
      return;
    }
    for (std::size_t at = 0; at < bytes; at += kStripBytes) {
      const std::size_t some = std::min(kStripBytes, bytes - at);
      std::byte* made = also != nullptr ? also + at : strip_;
      CombineStrip(step, made, source + at, arrived + at, some);
      Copy(target + at, made, some, stream);
    }
  }

  void CombineStrip(const Step& step, std::byte* to, const std::byte* source,
                    const std::byte* arrived, std::size_t bytes) const {
    const OpDescriptor& call = call_.descriptor;
    const std::size_t count = bytes / width_;
    if (step.arrived_first) {
      Combine(to, arrived, source, count, call.type, call.op);
    } else {
      Combine(to, source, arrived, count, call.type, call.op);
    }
    if (step.last && call.op == ecclAvg) Divide(to, count, call.type, links_->size());
  }

  // --- sending ---

  Status MoveSend(Port& port, bool* moved) {
    Turn turn{};
    while (HasTurn(port, &turn)) {
      BASE_ASSIGN_OR_RETURN(const bool told, SendHeader(port, moved));
      if (!told) return Status();
      const std::size_t length = Length(turn);
      const std::size_t ready = Ready(turn);
      if (turn.state->sent < length) {
        if (turn.state->sent == ready) return Status();
        const Slice& from =
            turn.step->target.place == Place::kNone ? turn.step->source : turn.step->target;
        const std::byte* data = Memory(from, turn.block) + turn.state->sent;
        auto sent = port.channel->TrySend({data, ready - turn.state->sent});
        if (!sent.ok()) return links_->LostChannel(port.order->peer, sent.status());
        if (*sent == 0) return Status();
        *moved = true;
        turn.state->sent += *sent;
        if (turn.state->sent < length) continue;
        port.channel->EndSend();
      } else if (turn.step->target.place != Place::kNone && !turn.state->stored) {
        return Status();  // of no bytes; its turn to be received has not come
      }
      NextTurn(port);
      *moved = true;
      turn.state->sent_all = true;
      if (turn.step->target.place == Place::kNone || turn.state->stored) Over(turn);
    }
    return Status();
  }

  base::Result<bool> SendHeader(Port& port, bool* moved) {
    if (port.header == OpDescriptor::kWireBytes) return true;
    auto sent = port.channel->TrySend(std::span(port.wire).subspan(port.header));
    if (!sent.ok()) return links_->LostChannel(port.order->peer, sent.status());
    if (*sent > 0) *moved = true;
    port.header += *sent;
    if (port.header < OpDescriptor::kWireBytes) return false;
    port.channel->EndSend();
    return true;
  }

  Links* links_;
  const Plan& plan_;
  const Call& call_;
  const std::size_t steps_;
  std::size_t width_ = 1;
  std::size_t block_ = 0;
  std::size_t blocks_ = 0;
  std::size_t window_ = 0;
  bool stream_ = false;
  std::byte* scratch_ = nullptr;
  std::size_t scratch_block_ = 0;
  std::byte* strip_ = nullptr;
  std::size_t first_ = 0;  // the first block that is not over
  std::vector<State> states_;
  std::vector<std::size_t> over_;  // steps, by block under way
  std::vector<Port> receives_;
  std::vector<Port> sends_;
  std::vector<int> copies_;  // steps without a peer to receive from
  std::size_t copy_block_ = 0, copy_index_ = 0;
};

std::byte* Executor::Scratch(std::size_t bytes) {
  if (scratch_bytes_ < bytes) {
    scratch_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
    scratch_bytes_ = bytes;
  }
  return scratch_.get();
}

Status Executor::Run(const Plan& plan, const Call& call) {
  return Execution(links_, plan, call, this).Run();
}

}  // namespace regatta::eccl

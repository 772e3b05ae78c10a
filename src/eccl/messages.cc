#include <array>
#include <memory>
#include <vector>

#include "eccl/communicator.h"
#include "eccl/ticks.h"

namespace regatta::eccl {
namespace {

using base::Status;

// One message on its way: its descriptor, then its elements.
struct Passage {
  const Transfer* transfer = nullptr;
  OpDescriptor descriptor;
  std::array<std::byte, OpDescriptor::kWireBytes> head{};
  std::size_t head_moved = 0;
  std::size_t body_moved = 0;
  // Of a message from or to this rank's device.
  bool on_device = false;
  std::unique_ptr<Staging::Outgoing> outgoing;
  std::unique_ptr<Staging::Incoming> incoming;

  std::size_t bytes() const { return transfer->count * SizeOf(transfer->type); }
  bool over() const { return head_moved == head.size() && body_moved == bytes(); }
};

// The messages of one direction to or from one peer, which pass one after the other.
struct Lane {
  int peer;
  bool sending;
  std::vector<std::size_t> queue;  // indices of passages
  std::size_t at = 0;
};

// Moves what can be moved of `total` bytes; all of them only when the wire takes them now.
base::Result<bool> MoveOut(Channel* channel, std::span<const std::byte> data, std::size_t* done,
                           bool* moved) {
  if (*done == data.size()) return true;
  BASE_ASSIGN_OR_RETURN(const std::size_t sent, channel->TrySend(data.subspan(*done)));
  *done += sent;
  *moved = *moved || sent > 0;
  if (*done < data.size()) return false;
  channel->EndSend();
  return true;
}

base::Result<bool> MoveIn(Channel* channel, std::span<std::byte> data, std::size_t* done,
                          bool* moved) {
  if (*done == data.size()) return true;
  BASE_ASSIGN_OR_RETURN(const std::size_t got, channel->TryReceive(data.subspan(*done)));
  *done += got;
  *moved = *moved || got > 0;
  if (*done < data.size()) return false;
  channel->EndReceive();
  return true;
}

class Exchange {
 public:
  // `staging` may be null where no passage is of a device.
  Exchange(Links* links, Staging* staging, std::vector<Passage> passages)
      : links_(links), staging_(staging), passages_(std::move(passages)) {
    for (std::size_t i = 0; i < passages_.size(); ++i) {
      LaneOf(*passages_[i].transfer).queue.push_back(i);
    }
  }

  Status Run() {
    return links_->Until([this](bool* moved) { return Move(moved); },
                         [this] {
                           std::vector<Links::Interest> interests;
                           for (const Lane& lane : lanes_) {
                             if (lane.at < lane.queue.size())
                               interests.push_back({lane.peer, lane.sending});
                           }
                           return interests;
                         });
  }

  // After an error: the message that it came from, else the first that is not over.
  std::size_t failed() const {
    if (failed_ < passages_.size()) return failed_;
    for (std::size_t i = 0; i < passages_.size(); ++i) {
      if (!passages_[i].over()) return i;
    }
    return 0;
  }

 private:
  Lane& LaneOf(const Transfer& transfer) {
    for (Lane& lane : lanes_) {
      if (lane.peer == transfer.peer && lane.sending == transfer.sending) return lane;
    }
    return lanes_.emplace_back(Lane{.peer = transfer.peer, .sending = transfer.sending});
  }

  base::Result<bool> Move(bool* moved) {
    bool all = true;
    for (Lane& lane : lanes_) {
      for (; lane.at < lane.queue.size(); ++lane.at) {
        Passage& passage = passages_[lane.queue[lane.at]];
        const base::Result<bool> over =
            lane.sending ? Send(&passage, moved) : Take(&passage, moved);
        if (!over.ok()) {
          failed_ = lane.queue[lane.at];
          return over.status();
        }
        if (!*over) break;
      }
      all = all && lane.at == lane.queue.size();
    }
    return all;
  }

  base::Result<bool> Send(Passage* passage, bool* moved) {
    const Transfer& transfer = *passage->transfer;
    Channel* channel = links_->channel(transfer.peer);
    base::Result<bool> done = MoveOut(channel, passage->head, &passage->head_moved, moved);
    if (done.ok() && *done) {
      done = passage->on_device
                 ? MoveFromDevice(channel, passage, moved)
                 : MoveOut(channel, {transfer.from, passage->bytes()}, &passage->body_moved, moved);
    }
    if (!done.ok()) return Lost(transfer.peer, done.status());
    return done;
  }

  // A device's failure is this rank's own; everything else is about the peer.
  Status Lost(int peer, const Status& why) {
    return device_failed_ ? why : links_->LostChannel(peer, why);
  }

  base::Result<bool> MoveFromDevice(Channel* channel, Passage* passage, bool* moved) {
    const Transfer& transfer = *passage->transfer;
    const std::size_t bytes = passage->bytes();
    if (passage->outgoing == nullptr && passage->body_moved < bytes) {
      passage->outgoing = std::make_unique<Staging::Outgoing>(staging_, transfer.from, bytes);
    }
    while (passage->body_moved < bytes) {
      auto ready = passage->outgoing->From(passage->body_moved);
      if (!ready.ok()) return DeviceFailed(ready.status());
      BASE_ASSIGN_OR_RETURN(const std::size_t sent, channel->TrySend(*ready));
      if (sent == 0) return false;
      passage->body_moved += sent;
      *moved = true;
      if (passage->body_moved == bytes) channel->EndSend();
    }
    passage->outgoing.reset();
    return true;
  }

  base::Result<bool> MoveToDevice(Channel* channel, Passage* passage, bool* moved) {
    const Transfer& transfer = *passage->transfer;
    const std::size_t bytes = passage->bytes();
    if (passage->incoming == nullptr && passage->body_moved < bytes) {
      passage->incoming = std::make_unique<Staging::Incoming>(staging_, transfer.to, bytes);
    }
    while (passage->body_moved < bytes) {
      auto room = passage->incoming->RoomFrom(passage->body_moved);
      if (!room.ok()) return DeviceFailed(room.status());
      BASE_ASSIGN_OR_RETURN(const std::size_t got, channel->TryReceive(*room));
      if (got == 0) return false;
      passage->body_moved += got;
      *moved = true;
      if (passage->body_moved == bytes) channel->EndReceive();
      const Status copied = passage->incoming->Arrived(passage->body_moved);
      if (!copied.ok()) return DeviceFailed(copied);
    }
    if (passage->incoming != nullptr) {
      const Status there = passage->incoming->Finish();
      if (!there.ok()) return DeviceFailed(there);
    }
    passage->incoming.reset();
    return true;
  }

  Status DeviceFailed(const Status& why) {
    device_failed_ = true;
    return why;
  }

  base::Result<bool> Take(Passage* passage, bool* moved) {
    const Transfer& transfer = *passage->transfer;
    Channel* channel = links_->channel(transfer.peer);
    const bool has_head = passage->head_moved == passage->head.size();
    base::Result<bool> done = MoveIn(channel, passage->head, &passage->head_moved, moved);
    if (done.ok() && *done) {
      if (!has_head) BASE_RETURN_IF_ERROR(Compare(*passage));
      done = passage->on_device
                 ? MoveToDevice(channel, passage, moved)
                 : MoveIn(channel, {transfer.to, passage->bytes()}, &passage->body_moved, moved);
    }
    if (!done.ok()) return Lost(transfer.peer, done.status());
    return done;
  }

  Status Compare(const Passage& passage) const {
    const int peer = passage.transfer->peer;
    OpDescriptor theirs;
    if (!OpDescriptor::Decode(passage.head.data(), &theirs)) return links_->LostStep(peer);
    if (theirs == passage.descriptor) return Status();
    return Mismatch(*links_->health(), peer, theirs, passage.descriptor);
  }

  Links* links_;
  Staging* staging_;
  bool device_failed_ = false;
  std::vector<Passage> passages_;
  std::vector<Lane> lanes_;
  std::size_t failed_ = static_cast<std::size_t>(-1);
};

}  // namespace

Status Communicator::Exchange(std::span<const Transfer> transfers, std::size_t* failed) {
  *failed = 0;
  if (transfers.empty()) return Status();
  const std::lock_guard lock(call_mutex_);
  const std::uint64_t start = Ticks();
  std::vector<Passage> passages(transfers.size());
  for (std::size_t i = 0; i < passages.size(); ++i) {
    const Transfer& transfer = transfers[i];
    auto& sequences = transfer.sending ? sent_ : received_;
    passages[i].transfer = &transfer;
    passages[i].descriptor = {.kind = OpKind::kSendRecv,
                              .type = transfer.type,
                              .count = transfer.count,
                              .sequence = ++sequences[static_cast<std::size_t>(transfer.peer)]};
    if (transfer.sending) passages[i].descriptor.Encode(passages[i].head.data());
  }
  const OpDescriptor first = passages.front().descriptor;
  if (health_->failed()) return Finish(first, health_->failure(), start);
  health_->Enter(first, transfers.front().peer);
  std::vector<OpDescriptor> descriptors;
  for (const Passage& passage : passages) descriptors.push_back(passage.descriptor);
  bool any_on_device = false;
  for (std::size_t i = 0; staging_ != nullptr && i < passages.size(); ++i) {
    const Transfer& transfer = transfers[i];
    const auto on_device = transfer.sending ? staging_->OnDevice("sendbuff", transfer.from)
                                            : staging_->OnDevice("recvbuff", transfer.to);
    if (!on_device.ok()) return Finish(descriptors[i], on_device.status(), start);
    passages[i].on_device = *on_device;
    any_on_device = any_on_device || *on_device;
  }
  on_island_ = false;
  if (staging_ != nullptr) staging_->Begin();
  if (any_on_device) {
    if (const Status begun = staging_->BeginMessages(); !begun.ok()) {
      return Finish(first, begun, start);
    }
  }
  eccl::Exchange exchange(links_.get(), staging_.get(), std::move(passages));
  const Status status = exchange.Run();
  if (status.ok()) return Finish(first, "direct", start);
  if (any_on_device) staging_->Settle();
  *failed = exchange.failed();
  return Finish(descriptors[*failed], status, start);
}

}  // namespace regatta::eccl

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/status.h"
#include "eccl/transport.h"
#include "eccl/types.h"
#include "eccl/wait.h"

namespace regatta::eccl {

// One direction of one pair: single producer, single consumer. The counters of bytes only grow;
// each has a cache line of its own.
struct ShmRing {
  alignas(64) std::atomic<std::uint64_t> written;
  alignas(64) std::atomic<std::uint64_t> read;
  alignas(64) std::byte data[1];
};

// Where one rank shows all others the values of a small call. One such, as its number says; what it
// brings to the call after is in the other of two slots.
struct alignas(64) ShmSlot {
  static constexpr std::size_t kDataBytes = 16u << 10;
  std::atomic<std::uint64_t> number;
  std::byte call[OpDescriptor::kWireBytes];
  std::byte data[kDataBytes];  // begins in the line of the number: a few bytes cost nothing more
};

// The memory in which one rank receives from its peers on the same host: its bell, its two slots
// and one ring a peer. It is a memfd, opened by peers through /proc/<pid>/fd, so there is never a
// file that a killed process could leave behind. Ranks that are threads of one process share one
// mapping.
class ShmSegment {
 public:
  // What one of so many rings of a communicator should have. The larger, the better: a line that
  // the peer has read must leave the peer's cache before it is written again, and values can be
  // passed on as they arrive while there is room. It is less where many ranks share a host, or this
  // process has many communicators.
  static std::size_t RingBytes(std::size_t rings);
  // `rings` inbound rings of `ring_bytes` (a power of two) each. The memory is reserved now:
  // kResourceExhausted here rather than a SIGBUS in mid-training.
  static base::Result<std::shared_ptr<ShmSegment>> Create(int rings, std::size_t ring_bytes);
  // What peers need to open it; opaque text for the bootstrap.
  std::string Ticket() const;
  // Opens a peer's segment. Fails when it lives on another host, in another process namespace, or
  // belongs to another user.
  static base::Result<std::shared_ptr<ShmSegment>> Open(const std::string& ticket);

  ~ShmSegment();
  ShmSegment(const ShmSegment&) = delete;
  ShmSegment& operator=(const ShmSegment&) = delete;

  Bell* bell() const;
  // The slot of the small call with this number.
  ShmSlot* slot(std::uint64_t number) const;
  int rings() const;
  // No more peers will open it: the descriptor can go.
  void Seal() { fd_.Reset(); }

 private:
  friend class ShmChannel;
  struct Header;
  ShmSegment(base::UniqueFd fd, void* memory, std::size_t bytes, bool own)
      : fd_(std::move(fd)), memory_(memory), bytes_(bytes), own_(own) {}
  Header* header() const { return static_cast<Header*>(memory_); }
  ShmRing* ring(int index) const;

  base::UniqueFd fd_;
  void* memory_;
  std::size_t bytes_;
  bool own_;  // made here
};

// Receives from ring `mine` of this rank's segment and sends into ring `theirs` of the peer's.
class ShmChannel final : public Channel {
 public:
  // kInternal when there is no such ring.
  static base::Result<std::unique_ptr<ShmChannel>> Make(std::shared_ptr<ShmSegment> own, int mine,
                                                        std::shared_ptr<ShmSegment> peer,
                                                        int theirs);

  base::Result<std::size_t> TrySend(std::span<const std::byte> data) override;
  base::Result<std::size_t> TryReceive(std::span<std::byte> data) override;
  void EndSend() override { written_ = NextLine(written_); }
  void EndReceive() override { read_ = NextLine(read_); }
  ShmChannel* shm() override { return this; }
  bool has_bell() const override { return true; }
  void AddPolls(bool /*sending*/, std::vector<Waiter::FdInterest>* /*polls*/,
                std::chrono::microseconds* /*limit*/) const override {}
  const char* name() const override { return "shm"; }
  Traffic traffic() const override { return {out_->written.load(), in_->read.load()}; }

  // --- without a copy ---
  // Free memory at the place to write next, in one piece; empty when there is none.
  std::span<std::byte> Room() {
    std::size_t free = FreeLines();
    if (free == 0) {
      peer_read_ = out_->read.load();
      free = FreeLines();
    }
    const std::size_t at = written_ & (out_bytes_ - 1);
    return {out_->data + at, free < out_bytes_ - at ? free : out_bytes_ - at};
  }
  // `bytes` of the room are filled, and the peer is told.
  void Filled(std::size_t bytes) {
    written_ += bytes;
    out_->written.store(written_);
    peer_->bell()->Ring();
  }
  // What the peer wrote, in one piece; empty when there is nothing.
  std::span<const std::byte> Arrived() {
    if (peer_written_ <= read_) peer_written_ = in_->written.load();
    if (peer_written_ <= read_) return {};  // the end of a line may be skipped before it is written
    const std::size_t at = read_ & (in_bytes_ - 1);
    const std::size_t there = peer_written_ - read_;
    return {in_->data + at, there < in_bytes_ - at ? there : in_bytes_ - at};
  }
  // `bytes` of what arrived are no longer needed, and the peer is told.
  void Taken(std::size_t bytes) {
    read_ += bytes;
    in_->read.store(read_);
    peer_->bell()->Ring();
  }

 private:
  ShmChannel(std::shared_ptr<ShmSegment> own, int mine, std::shared_ptr<ShmSegment> peer,
             int theirs);
  // In whole lines: at the end of a message the peer's counter is within one, and this end's may
  // already be one further than it.
  std::size_t FreeLines() const {
    const std::uint64_t used = written_ - peer_read_;
    return used >= out_bytes_ ? 0 : (out_bytes_ - used) & ~std::uint64_t{63};
  }
  static std::uint64_t NextLine(std::uint64_t at) { return (at + 63) & ~std::uint64_t{63}; }

  ShmRing* in_;
  ShmRing* out_;
  std::uint64_t in_bytes_;
  std::uint64_t out_bytes_;
  std::uint64_t written_ = 0;
  std::uint64_t read_ = 0;
  // As last seen: the shared counters are looked at only when these no longer suffice.
  std::uint64_t peer_read_ = 0;
  std::uint64_t peer_written_ = 0;
  std::shared_ptr<ShmSegment> own_;
  std::shared_ptr<ShmSegment> peer_;
};

}  // namespace regatta::eccl

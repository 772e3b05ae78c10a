#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "device/device.h"
#include "eccl/executor.h"
#include "eccl/links.h"

namespace regatta::eccl {

// Brings values from a device to the host, where the ranks combine and exchange them, and back.
// Where any rank of a communicator has a device, all of them cut their calls into the same pieces,
// so that copies of one piece pass beside the exchange of another, and memory stays bounded. Used
// by one thread at a time unless said otherwise.
class Staging {
 public:
  // `device` may be null: a rank whose values are on the host, among others. `links` must outlive
  // this.
  Staging(std::shared_ptr<const device::Device> device, Links* links)
      : device_(std::move(device)), links_(links) {}
  // Waits for copies on their way.
  ~Staging();

  const device::Device* device() const { return device_.get(); }

  // Any thread. Whether the memory is this rank's device's; kInvalidArgument, with `name`, when it
  // is another device's.
  base::Result<bool> OnDevice(const char* name, const void* address) const;
  // The same where it may be known already.
  base::Result<bool> OnDevice(const char* name, const void* address,
                              std::optional<bool> known) const {
    return known.has_value() ? base::Result<bool>(*known) : OnDevice(name, address);
  }
  // Any thread. Calls wait for what has been given to this stream when they begin.
  void SetStream(void* stream) { stream_.store(stream); }
  void* stream() const { return stream_.load(); }

  // Whether the call that ran last copied anything.
  bool used() const { return used_; }
  void Begin() { used_ = false; }
  void SetUsed() { used_ = true; }

  // Until what was recorded is over; gives up when the communicator fails, the time-out passes, or
  // `check`, which may be empty, fails.
  using Check = std::function<base::Status()>;
  base::Status Wait(const device::Event& event, const Check& check = {});
  // The same for all that was given to the caller's stream. What comes to it later may count as
  // well, but only for a moment: then it waits for an event, which costs more where work is short.
  base::Status WaitForStream(const Check& check = {});

  // Of a whole part of a call, in one piece.
  static constexpr std::size_t kPieceBytes = 4u << 20;
  using RunPiece = std::function<base::Status(const Call&)>;
  // Makes the call `pieces` times, each time with `piece_bytes` more of every part, in host memory.
  // `reads` and `writes`: whether this rank's input and output are used.
  struct Cut {
    std::size_t piece_bytes;
    std::size_t pieces;
    bool reads;
    bool writes;
    bool in_place;  // staged input and output may be the same memory
  };
  base::Status Run(const Call& call, const Cut& cut, const RunPiece& run);
  // The same for a call that wants all of its `bytes` in one.
  using RunWhole = std::function<base::Status(const std::byte* input, std::byte* output)>;
  base::Status RunOnWhole(const std::byte* input, std::size_t input_bytes, std::byte* output,
                          std::size_t output_bytes, const Places& places, const RunWhole& run);

  // --- for messages ---
  static constexpr std::size_t kChunkBytes = 1u << 20;
  // Before the first chunk: copies wait for the caller's stream.
  base::Status BeginMessages();
  // After a failure: waits a while for what is on its way, which uses memory of the caller's.
  void Settle();
  class Outgoing;
  class Incoming;

 private:
  enum Direction : std::uint8_t { kIn, kOut };  // from the device, to the device
  struct Slot {
    device::Buffer memory;
    device::Event filled, drained;
    bool draining = false;
  };
  static constexpr std::size_t kSlots = 3;
  struct Chunk {
    device::Buffer memory;
    device::Event copied;
    bool copying = false;
  };

  // Streams and events, made when they are needed first.
  base::Status Prepare();
  base::Status Reserve(Slot* slot, std::size_t bytes);
  base::Status WaitForCaller();
  base::Result<std::unique_ptr<Chunk>> TakeChunk();
  void ReturnChunk(std::unique_ptr<Chunk> chunk) { chunks_.push_back(std::move(chunk)); }

  base::Status RunPieces(const Call& call, const Cut& cut, bool from_device, bool to_device,
                         const RunPiece& run);

  std::shared_ptr<const device::Device> device_;
  Links* links_;
  std::atomic<void*> stream_{nullptr};
  bool used_ = false;
  bool prepared_ = false;
  device::Stream in_, out_;
  device::Event begun_, over_;
  std::array<Slot, kSlots> slots_;
  Slot whole_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
};

// A message that leaves from device memory: the next chunk comes to the host while one is sent.
class Staging::Outgoing {
 public:
  Outgoing(Staging* staging, const std::byte* from, std::size_t bytes)
      : staging_(staging), from_(from), bytes_(bytes) {}
  ~Outgoing();
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;
  // Some bytes of the message from byte `done` on, which grows from call to call.
  base::Result<std::span<const std::byte>> From(std::size_t done);

 private:
  base::Status Fetch(std::size_t number);

  Staging* staging_;
  const std::byte* from_;
  std::size_t bytes_;
  std::size_t fetched_ = 0;  // chunks
  std::array<std::unique_ptr<Chunk>, 2> chunks_;
};

// A message that goes into device memory, a chunk of which is copied there while the next arrives.
class Staging::Incoming {
 public:
  Incoming(Staging* staging, std::byte* to, std::size_t bytes)
      : staging_(staging), to_(to), bytes_(bytes) {}
  ~Incoming();
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;
  // Room for bytes of the message from byte `done` on.
  base::Result<std::span<std::byte>> RoomFrom(std::size_t done);
  // All bytes before `done` have arrived.
  base::Status Arrived(std::size_t done);
  // Returns when they are on the device.
  base::Status Finish();

 private:
  Staging* staging_;
  std::byte* to_;
  std::size_t bytes_;
  std::size_t copied_ = 0;  // given to the device
  std::array<std::unique_ptr<Chunk>, 2> chunks_;
};

}  // namespace regatta::eccl

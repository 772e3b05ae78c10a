#include "eccl/staging.h"

#include <algorithm>
#include <bit>
#include <thread>

#include "base/clock.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

// How long a failure waits for copies that are on their way.
constexpr auto kSettle = std::chrono::milliseconds(500);
// A copy of a few bytes takes less; afterwards the processor is better left to others.
constexpr auto kEager = std::chrono::microseconds(200);
// Less than it takes to give the processor away and get it back twenty times.
constexpr auto kMoment = std::chrono::microseconds(20);
constexpr auto kNap = std::chrono::microseconds(50);

// `bytes` more of a part, from `begin` on.
Extent PieceOf(const Extent& part, std::size_t begin, std::size_t bytes) {
  if (begin >= part.bytes) return {part.begin, 0};
  return {part.begin + begin, std::min(bytes, part.bytes - begin)};
}

// The same parts one behind the other, at multiples of 64 bytes.
std::size_t Pack(std::vector<Extent>* parts, std::size_t at) {
  for (Extent& part : *parts) {
    part.begin = at;
    at += (part.bytes + 63) / 64 * 64;
  }
  return at;
}

}  // namespace

Staging::~Staging() { Settle(); }

base::Result<bool> Staging::OnDevice(const char* name, const void* address) const {
  if (device_ == nullptr || address == nullptr) return false;
  BASE_ASSIGN_OR_RETURN(const int owner, device_->DeviceOf(address));
  if (owner < 0 || owner == device_->index()) return owner >= 0;
  return Status(Code::kInvalidArgument, std::string(name) + " is memory of " + device_->kind() +
                                            ":" + std::to_string(owner) +
                                            ", but this rank's device is " + device_->name());
}

Status Staging::Prepare() {
  if (prepared_) return Status();
  BASE_ASSIGN_OR_RETURN(in_, device_->MakeStream());
  BASE_ASSIGN_OR_RETURN(out_, device_->MakeStream());
  BASE_ASSIGN_OR_RETURN(begun_, device_->MakeEvent());
  BASE_ASSIGN_OR_RETURN(over_, device_->MakeEvent());
  for (Slot* slot : {&slots_[0], &slots_[1], &slots_[2], &whole_}) {
    BASE_ASSIGN_OR_RETURN(slot->filled, device_->MakeEvent());
    BASE_ASSIGN_OR_RETURN(slot->drained, device_->MakeEvent());
  }
  prepared_ = true;
  return Status();
}

Status Staging::Reserve(Slot* slot, std::size_t bytes) {
  if (slot->memory.size() >= bytes) return Status();
  constexpr std::size_t kLeast = 64u << 10;
  slot->memory = {};
  BASE_ASSIGN_OR_RETURN(slot->memory,
                        device_->AllocateOnHost(std::max(kLeast, std::bit_ceil(bytes))));
  return Status();
}

Status Staging::WaitForCaller() {
  BASE_RETURN_IF_ERROR(device_->Record(begun_, stream()));
  BASE_RETURN_IF_ERROR(device_->Wait(in_.get(), begun_));
  return device_->Wait(out_.get(), begun_);
}

Status Staging::Wait(const device::Event& event, const Check& check) {
  const auto since = Clock::now();
  while (true) {
    BASE_ASSIGN_OR_RETURN(const bool over, device_->IsOver(event));
    if (over) return Status();
    const auto waited = Clock::now() - since;
    if (waited < kEager) {
      std::this_thread::yield();
      continue;
    }
    if (links_->health()->failed()) return links_->health()->failure();
    if (check) BASE_RETURN_IF_ERROR(check());
    if (waited >= links_->timeout()) {
      return Status(Code::kDeadlineExceeded,
                    device_->name() + " has not ended its work for " +
                        base::FormatDuration(links_->timeout().count() * 1000));
    }
    std::this_thread::sleep_for(kNap);
  }
}

Status Staging::WaitForStream(const Check& check) {
  const auto since = Clock::now();
  do {
    BASE_ASSIGN_OR_RETURN(const bool over, device_->IsOver(stream()));
    if (over) return Status();
  } while (Clock::now() - since < kMoment);
  BASE_RETURN_IF_ERROR(Prepare());
  BASE_RETURN_IF_ERROR(device_->Record(over_, stream()));
  return Wait(over_, check);
}

void Staging::Settle() {
  if (!prepared_) return;
  const auto until = Clock::now() + kSettle;
  for (const auto* stream : {&in_, &out_}) {
    if (!device_->Record(over_, stream->get()).ok()) continue;
    while (Clock::now() < until) {
      const auto over = device_->IsOver(over_);
      if (!over.ok() || *over) break;
      std::this_thread::sleep_for(kNap);
    }
  }
}

Status Staging::Run(const Call& call, const Cut& cut, const RunPiece& run) {
  bool from_device = false;
  bool to_device = false;
  if (cut.reads) {
    BASE_ASSIGN_OR_RETURN(from_device, OnDevice("sendbuff", call.input, call.places.input));
  }
  if (cut.writes) {
    BASE_ASSIGN_OR_RETURN(to_device, OnDevice("recvbuff", call.output, call.places.output));
  }
  if (!from_device && !to_device) {
    for (std::size_t piece = 0; piece < cut.pieces; ++piece) {
      Call part = call;
      for (auto* parts : {&part.input_parts, &part.output_parts}) {
        for (Extent& extent : *parts) {
          extent = PieceOf(extent, piece * cut.piece_bytes, cut.piece_bytes);
        }
      }
      BASE_RETURN_IF_ERROR(run(part));
    }
    return Status();
  }
  used_ = true;
  Status status = Prepare();
  if (status.ok()) status = RunPieces(call, cut, from_device, to_device, run);
  if (!status.ok()) Settle();
  return status;
}

Status Staging::RunPieces(const Call& call, const Cut& cut, bool from_device, bool to_device,
                          const RunPiece& run) {
  // A call of one piece goes along with the caller's own work.
  const bool single = cut.pieces == 1;
  regattaDeviceStream in = single ? stream() : in_.get();
  regattaDeviceStream out = single ? stream() : out_.get();
  if (!single) BASE_RETURN_IF_ERROR(WaitForCaller());
  const bool shared = cut.in_place && from_device && to_device;

  // What a piece is on the device, and where it lies in its slot.
  struct Piece {
    Call host;
    std::vector<Extent> input_parts, output_parts;
    std::size_t bytes;
  };
  const auto make = [&](std::size_t number) {
    Piece piece{.host = call};
    for (auto* parts : {&piece.host.input_parts, &piece.host.output_parts}) {
      for (Extent& extent : *parts) {
        extent = PieceOf(extent, number * cut.piece_bytes, cut.piece_bytes);
      }
    }
    piece.input_parts = piece.host.input_parts;
    piece.output_parts = piece.host.output_parts;
    piece.bytes = from_device ? Pack(&piece.host.input_parts, 0) : 0;
    if (to_device) piece.bytes = Pack(&piece.host.output_parts, shared ? 0 : piece.bytes);
    return piece;
  };
  const auto fill = [&](std::size_t number) -> Status {
    Slot& slot = slots_[number % kSlots];
    Piece piece = make(number);
    if (slot.draining && slot.memory.size() < piece.bytes) {
      BASE_RETURN_IF_ERROR(Wait(slot.drained));
      slot.draining = false;
    }
    BASE_RETURN_IF_ERROR(Reserve(&slot, std::max<std::size_t>(piece.bytes, 1)));
    if (!from_device) return Status();
    if (slot.draining) BASE_RETURN_IF_ERROR(device_->Wait(in, slot.drained));
    for (std::size_t i = 0; i < piece.input_parts.size(); ++i) {
      const Extent& part = piece.input_parts[i];
      BASE_RETURN_IF_ERROR(device_->Copy(slot.memory.data() + piece.host.input_parts[i].begin,
                                         call.input + part.begin, part.bytes,
                                         regattaCopyDeviceToHost, in));
    }
    return device_->Record(slot.filled, in);
  };

  for (Slot& slot : slots_) slot.draining = false;
  BASE_RETURN_IF_ERROR(fill(0));
  for (std::size_t number = 0; number < cut.pieces; ++number) {
    if (number + 1 < cut.pieces) BASE_RETURN_IF_ERROR(fill(number + 1));
    Slot& slot = slots_[number % kSlots];
    Piece piece = make(number);
    if (from_device) {
      BASE_RETURN_IF_ERROR(Wait(slot.filled));
      piece.host.input = slot.memory.data();
    } else if (slot.draining) {
      BASE_RETURN_IF_ERROR(Wait(slot.drained));
    }
    if (to_device) piece.host.output = slot.memory.data();
    if (!cut.writes && cut.in_place && from_device) {
      // Nobody wants the output: it may be where the input is.
      piece.host.output = slot.memory.data();
      piece.host.output_parts = piece.host.input_parts;
    }
    BASE_RETURN_IF_ERROR(run(piece.host));
    if (!to_device) continue;
    for (std::size_t i = 0; i < piece.output_parts.size(); ++i) {
      const Extent& part = piece.output_parts[i];
      BASE_RETURN_IF_ERROR(device_->Copy(call.output + part.begin,
                                         slot.memory.data() + piece.host.output_parts[i].begin,
                                         part.bytes, regattaCopyHostToDevice, out));
    }
    BASE_RETURN_IF_ERROR(device_->Record(slot.drained, out));
    slot.draining = true;
  }
  // One stream: the last piece is the last of all.
  return to_device ? Wait(slots_[(cut.pieces - 1) % kSlots].drained) : Status();
}

Status Staging::RunOnWhole(const std::byte* input, std::size_t input_bytes, std::byte* output,
                           std::size_t output_bytes, const Places& places, const RunWhole& run) {
  BASE_ASSIGN_OR_RETURN(const bool from_device, OnDevice("sendbuff", input, places.input));
  BASE_ASSIGN_OR_RETURN(const bool to_device, OnDevice("recvbuff", output, places.output));
  if (!from_device && !to_device) return run(input, output);
  used_ = true;
  BASE_RETURN_IF_ERROR(Prepare());
  // Both where only one is on a device: the other may be the same address only by being the host's.
  const std::size_t behind = from_device ? (input_bytes + 63) / 64 * 64 : 0;
  BASE_RETURN_IF_ERROR(
      Reserve(&whole_, std::max<std::size_t>(behind + (to_device ? output_bytes : 0), 1)));
  std::byte* memory = whole_.memory.data();
  const Status status = [&]() -> Status {
    if (from_device) {
      BASE_RETURN_IF_ERROR(
          device_->Copy(memory, input, input_bytes, regattaCopyDeviceToHost, stream()));
      BASE_RETURN_IF_ERROR(device_->Record(whole_.filled, stream()));
      BASE_RETURN_IF_ERROR(Wait(whole_.filled));
    }
    std::byte* result = to_device ? memory + behind : output;
    BASE_RETURN_IF_ERROR(run(from_device ? memory : input, result));
    if (!to_device) return Status();
    BASE_RETURN_IF_ERROR(
        device_->Copy(output, result, output_bytes, regattaCopyHostToDevice, stream()));
    BASE_RETURN_IF_ERROR(device_->Record(whole_.drained, stream()));
    return Wait(whole_.drained);
  }();
  if (!status.ok()) Settle();
  return status;
}

Status Staging::BeginMessages() {
  used_ = true;
  BASE_RETURN_IF_ERROR(Prepare());
  return WaitForCaller();
}

base::Result<std::unique_ptr<Staging::Chunk>> Staging::TakeChunk() {
  if (!chunks_.empty()) {
    auto chunk = std::move(chunks_.back());
    chunks_.pop_back();
    return chunk;
  }
  auto chunk = std::make_unique<Chunk>();
  BASE_ASSIGN_OR_RETURN(chunk->memory, device_->AllocateOnHost(kChunkBytes));
  BASE_ASSIGN_OR_RETURN(chunk->copied, device_->MakeEvent());
  return chunk;
}

Staging::Outgoing::~Outgoing() {
  for (auto& chunk : chunks_) {
    if (chunk != nullptr) staging_->ReturnChunk(std::move(chunk));
  }
}

Status Staging::Outgoing::Fetch(std::size_t number) {
  const std::size_t begin = number * kChunkBytes;
  if (begin >= bytes_) return Status();
  auto& chunk = chunks_[number % 2];
  if (chunk == nullptr) {
    BASE_ASSIGN_OR_RETURN(chunk, staging_->TakeChunk());
  }
  BASE_RETURN_IF_ERROR(staging_->device_->Copy(chunk->memory.data(), from_ + begin,
                                               std::min(kChunkBytes, bytes_ - begin),
                                               regattaCopyDeviceToHost, staging_->in_.get()));
  BASE_RETURN_IF_ERROR(staging_->device_->Record(chunk->copied, staging_->in_.get()));
  chunk->copying = true;
  fetched_ = number + 1;
  return Status();
}

base::Result<std::span<const std::byte>> Staging::Outgoing::From(std::size_t done) {
  const std::size_t number = done / kChunkBytes;
  if (fetched_ <= number) BASE_RETURN_IF_ERROR(Fetch(number));
  Chunk& chunk = *chunks_[number % 2];
  if (chunk.copying) {
    BASE_RETURN_IF_ERROR(staging_->Wait(chunk.copied));
    chunk.copying = false;
    BASE_RETURN_IF_ERROR(Fetch(number + 1));
  }
  const std::size_t begin = number * kChunkBytes;
  const std::size_t end = std::min(begin + kChunkBytes, bytes_);
  return std::span<const std::byte>(chunk.memory.data() + (done - begin), end - done);
}

Staging::Incoming::~Incoming() {
  for (auto& chunk : chunks_) {
    if (chunk != nullptr) staging_->ReturnChunk(std::move(chunk));
  }
}

base::Result<std::span<std::byte>> Staging::Incoming::RoomFrom(std::size_t done) {
  const std::size_t number = done / kChunkBytes;
  auto& chunk = chunks_[number % 2];
  if (chunk == nullptr) {
    BASE_ASSIGN_OR_RETURN(chunk, staging_->TakeChunk());
    chunk->copying = false;
  }
  if (chunk->copying) {
    BASE_RETURN_IF_ERROR(staging_->Wait(chunk->copied));
    chunk->copying = false;
  }
  const std::size_t begin = number * kChunkBytes;
  const std::size_t end = std::min(begin + kChunkBytes, bytes_);
  return std::span<std::byte>(chunk->memory.data() + (done - begin), end - done);
}

Status Staging::Incoming::Arrived(std::size_t done) {
  const std::size_t begin = copied_ / kChunkBytes * kChunkBytes;
  const std::size_t end = std::min(begin + kChunkBytes, bytes_);
  if (done < end || copied_ == bytes_) return Status();
  Chunk& chunk = *chunks_[begin / kChunkBytes % 2];
  BASE_RETURN_IF_ERROR(staging_->device_->Copy(to_ + begin, chunk.memory.data(), end - begin,
                                               regattaCopyHostToDevice, staging_->out_.get()));
  BASE_RETURN_IF_ERROR(staging_->device_->Record(chunk.copied, staging_->out_.get()));
  chunk.copying = true;
  copied_ = end;
  return Status();
}

Status Staging::Incoming::Finish() {
  for (auto& chunk : chunks_) {
    if (chunk == nullptr || !chunk->copying) continue;
    BASE_RETURN_IF_ERROR(staging_->Wait(chunk->copied));
    chunk->copying = false;
  }
  return Status();
}

}  // namespace regatta::eccl

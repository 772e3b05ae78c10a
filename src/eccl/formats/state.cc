// The state of a compressor as bytes; docs/formats/eccl-wire.md.

#include <cstring>

#include "eccl/formats/compressor.h"
#include "eccl/formats/power.h"
#include "eccl/types.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

constexpr char kMagic[4] = {'E', 'C', 'C', 'S'};
constexpr std::uint16_t kVersion = 1;

struct Header {
  char magic[4];
  std::uint16_t version;
  std::uint16_t format;
  std::uint32_t digest;
  std::uint32_t zero;
  std::uint64_t count;
  std::uint64_t step;
  std::uint64_t residual, momentum, factor;  // how many floats follow of each
};
static_assert(sizeof(Header) == 56);

Status NoState(const std::string& why) {
  return Status(Code::kInvalidArgument, "this is no state of such a compressor: " + why);
}

}  // namespace

std::vector<std::byte> Compressor::Save() {
  const std::lock_guard lock(mutex_);
  Header header{.version = kVersion,
                .format = static_cast<std::uint16_t>(options_.format),
                .digest = options_.Digest(),
                .zero = 0,
                .count = state_.count,
                .step = state_.step,
                .residual = state_.residual.size(),
                .momentum = state_.momentum.size(),
                .factor = state_.factor.size()};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  std::vector<std::byte> bytes;
  const auto append = [&bytes](const void* data, std::size_t size) {
    const auto* from = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), from, from + size);
  };
  append(&header, sizeof(header));
  for (const auto* floats : {&state_.residual, &state_.momentum, &state_.factor}) {
    append(floats->data(), floats->size() * sizeof(float));
  }
  return bytes;
}

Status Compressor::Restore(std::span<const std::byte> bytes) {
  Header header;
  if (bytes.size() < sizeof(header)) {
    return NoState("it has " + std::to_string(bytes.size()) + " bytes, less than a header");
  }
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
    return NoState("it does not begin with ECCS");
  }
  if (header.version != kVersion) {
    return NoState("it has version " + std::to_string(header.version) +
                   ", and this release reads " + std::to_string(kVersion));
  }
  if (header.format != options_.format || header.digest != options_.Digest()) {
    return NoState("it was saved with other options (format " +
                   std::string(NameOf(static_cast<ecclWireFormat_t>(header.format))) +
                   ", and this one is " + NameOf(options_.format) + ")");
  }
  const std::size_t floats = (bytes.size() - sizeof(header)) / sizeof(float);
  const auto whole_or_none = [&](std::uint64_t size) { return size == 0 || size == header.count; };
  if (!whole_or_none(header.residual) || !whole_or_none(header.momentum) ||
      header.residual > floats || header.momentum > floats || header.factor > floats ||
      bytes.size() !=
          sizeof(header) + (header.residual + header.momentum + header.factor) * sizeof(float)) {
    return NoState("its lengths do not add up");
  }
  if (header.factor != 0) {
    const PowerShape shape = PowerShapeOf(options_, static_cast<std::size_t>(header.count));
    if (header.factor != shape.rank * shape.columns) return NoState("its factor has another size");
  }
  CompressorState state;
  state.count = header.count;
  state.step = header.step;
  const std::byte* from = bytes.data() + sizeof(header);
  const auto take = [&from](std::vector<float>* into, std::uint64_t size) {
    into->resize(static_cast<std::size_t>(size));
    if (size > 0) std::memcpy(into->data(), from, into->size() * sizeof(float));
    from += into->size() * sizeof(float);
  };
  take(&state.residual, header.residual);
  take(&state.momentum, header.momentum);
  take(&state.factor, header.factor);
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
  return Status();
}

}  // namespace regatta::eccl

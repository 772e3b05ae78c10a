#pragma once

#include <cstddef>

#include "eccl/formats/options.h"

namespace regatta::eccl {

// How a block of floats crosses the wire in one of the dense formats; docs/formats/eccl-wire.md.
class Codec {
 public:
  explicit Codec(const WireOptions& options)
      : format_(options.format), group_(options.int8_group) {}

  std::size_t Bytes(std::size_t count) const;
  void Encode(const std::byte* floats, std::byte* wire, std::size_t count) const;
  void Decode(const std::byte* wire, std::byte* floats, std::size_t count) const;

 private:
  ecclWireFormat_t format_;
  std::size_t group_;
};

}  // namespace regatta::eccl

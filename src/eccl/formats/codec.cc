#include "eccl/formats/codec.h"

#include "eccl/formats/convert.h"

namespace regatta::eccl {

std::size_t Codec::Bytes(std::size_t count) const {
  return format_ == ecclWireInt8 ? Int8Bytes(count, group_) : 2 * count;
}

void Codec::Encode(const std::byte* floats, std::byte* wire, std::size_t count) const {
  if (format_ == ecclWireInt8) return FloatsToInt8(floats, wire, count, group_);
  if (format_ == ecclWireFloat16) return FloatsToFloat16(floats, wire, count);
  FloatsToBfloat16(floats, wire, count);
}

void Codec::Decode(const std::byte* wire, std::byte* floats, std::size_t count) const {
  if (format_ == ecclWireInt8) return Int8ToFloats(wire, floats, count, group_);
  if (format_ == ecclWireFloat16) return Float16ToFloats(wire, floats, count);
  Bfloat16ToFloats(wire, floats, count);
}

}  // namespace regatta::eccl

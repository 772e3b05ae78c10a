#pragma once

#include <cstddef>

#include "regatta/eccl.h"

namespace regatta::eccl {

// Floats to and from what crosses the wire, with the same bits on every processor. Counts are
// elements; `floats` are IEEE 754 binary32 values; no buffer needs alignment, and none may overlap
// another one of the same call.

// Round to nearest even; what is too large becomes an infinity, a NaN a quiet NaN.
void FloatsToFloat16(const std::byte* floats, std::byte* wire, std::size_t count);
void Float16ToFloats(const std::byte* wire, std::byte* floats, std::size_t count);
void FloatsToBfloat16(const std::byte* floats, std::byte* wire, std::size_t count);
void Bfloat16ToFloats(const std::byte* wire, std::byte* floats, std::size_t count);

// One float, the scale, for each `group` elements (the last group may be shorter): all scales, then
// all codes of one signed byte each. A value is its code times its group's scale. The scale is
// the largest finite magnitude of the group / 127; a group without one of at least 127 * 2^-126 has
// scale 0. The code kNotFinite stands for infinities and NaNs, and is read as a NaN.
inline constexpr int kNotFinite = -128;
void FloatsToInt8(const std::byte* floats, std::byte* wire, std::size_t count, std::size_t group);
void Int8ToFloats(const std::byte* wire, std::byte* floats, std::size_t count, std::size_t group);
constexpr std::size_t Int8Bytes(std::size_t count, std::size_t group) {
  return (count + group - 1) / group * sizeof(float) + count;
}

// rest[i] = meant[i] - sent[i], or 0 where that is not finite. `rest` may be `meant`.
void Remainder(const std::byte* meant, const std::byte* sent, std::byte* rest, std::size_t count);

// Elements of a floating-point type, to float (float64 rounds to nearest even) and back.
void Widen(const std::byte* elements, std::byte* floats, std::size_t count, ecclDataType_t type);
void Narrow(const std::byte* floats, std::byte* elements, std::size_t count, ecclDataType_t type);

// Tests compare: which instructions these functions may use. Not while another thread is inside
// them. Returns false, and changes nothing, when this processor has not got them.
enum class Instructions { kEvery, kAvx2, kAvx512 };
bool UseInstructions(Instructions most);

}  // namespace regatta::eccl

#pragma once

#include <bit>
#include <cstdint>

namespace regatta::eccl {

// IEEE 754 binary16 and bfloat16 as bits, to and from float; to-16-bit conversions round to nearest
// even and keep NaN a NaN. In plain integer arithmetic, because the library must run on processors
// without F16C and must give the same bits on all of them. Static: each file has its own copy,
// compiled for its own set of instructions.

static inline float Bfloat16ToFloat(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

static inline std::uint16_t FloatToBfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto quiet_nan = static_cast<std::uint16_t>((bits >> 16) | 0x40);
  const auto rounded = static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  return (bits & 0x7fffffff) > 0x7f800000 ? quiet_nan : rounded;
}

static inline float Float16ToFloat(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
  const std::uint32_t rest = bits & 0x7fff;
  std::uint32_t magnitude;
  if (rest >= 0x7c00) {  // infinity, NaN
    magnitude = (rest << 13) | 0x7f800000;
  } else if (rest >= 0x0400) {  // normal: move the exponent bias from 15 to 127
    magnitude = (rest << 13) + (112u << 23);
  } else {  // subnormal: rest * 2^-24, exact in float
    magnitude = std::bit_cast<std::uint32_t>(static_cast<float>(rest) * 0x1p-24f);
  }
  return std::bit_cast<float>(sign | magnitude);
}

static inline std::uint16_t FloatToFloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000);
  const std::uint32_t magnitude = bits & 0x7fffffff;
  std::uint32_t half;
  if (magnitude > 0x7f800000) {
    half = 0x7e00 | ((magnitude >> 13) & 0x3ff);
  } else if (magnitude >= 0x477ff000) {  // 65520 and above rounds to infinity
    half = 0x7c00;
  } else if (magnitude >= 0x38800000) {  // normal in binary16
    half = (magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  } else {
    // Below 2^-14: adding 0.5 aligns the last binary16 subnormal bit with float's last bit, and the
    // addition itself rounds to nearest even.
    const float aligned = std::bit_cast<float>(magnitude) + 0.5f;
    half = std::bit_cast<std::uint32_t>(aligned) - std::bit_cast<std::uint32_t>(0.5f);
  }
  return static_cast<std::uint16_t>(sign | half);
}

}  // namespace regatta::eccl

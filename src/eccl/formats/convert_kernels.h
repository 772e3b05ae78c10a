#pragma once

// The loops of convert.h. Included by convert.cc and once for every further set of instructions,
// never elsewhere; all are compiled without contraction, which would change bits.

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>

#include "eccl/formats/convert.h"
#include "eccl/half.h"
#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace regatta::eccl {

struct ConvertKernels {
  using Convert = void (*)(const std::byte* from, std::byte* to, std::size_t count);
  using Grouped = void (*)(const std::byte* from, std::byte* to, std::size_t count,
                           std::size_t group);
  Convert to_float16, from_float16, to_bfloat16, from_bfloat16, to_float64, from_float64;
  Grouped to_int8, from_int8;
  void (*remainder)(const std::byte* meant, const std::byte* sent, std::byte* rest,
                    std::size_t count);
};
extern const ConvertKernels kConvertAvx2;
extern const ConvertKernels kConvertAvx512;

// Unnamed: each including file has its own, compiled for its own set of instructions.
namespace {

constexpr std::uint32_t kMagnitude = 0x7fffffff;
constexpr std::uint32_t kInfinity = 0x7f800000;

template <typename T>
T LoadAt(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}
template <typename T>
void StoreAt(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof(T));
}

template <typename From, typename To, auto kConvert>
void Each(const std::byte* __restrict from, std::byte* __restrict to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    StoreAt<To>(to + i * sizeof(To), kConvert(LoadAt<From>(from + i * sizeof(From))));
  }
}

// Processors make a signalling NaN quiet when they widen it.
float WidenFloat16(std::uint16_t bits) {
  const float value = Float16ToFloat(bits);
  const bool nan = (bits & 0x7fff) > 0x7c00;
  return nan ? std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | 0x400000) : value;
}

#if defined(__F16C__)
constexpr std::size_t kLanes = 8;
void LanesToFloat16(const std::byte* from, std::byte* to) {
  const __m256 floats = _mm256_loadu_ps(reinterpret_cast<const float*>(from));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm256_cvtps_ph(floats, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
void LanesFromFloat16(const std::byte* from, std::byte* to) {
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  _mm256_storeu_ps(reinterpret_cast<float*>(to), _mm256_cvtph_ps(halves));
}
#endif

void ToFloat16(const std::byte* from, std::byte* to, std::size_t count) {
  std::size_t i = 0;
#if defined(__F16C__)
  for (; i + kLanes <= count; i += kLanes) LanesToFloat16(from + i * 4, to + i * 2);
#endif
  Each<float, std::uint16_t, FloatToFloat16>(from + i * 4, to + i * 2, count - i);
}

void FromFloat16(const std::byte* from, std::byte* to, std::size_t count) {
  std::size_t i = 0;
#if defined(__F16C__)
  for (; i + kLanes <= count; i += kLanes) LanesFromFloat16(from + i * 2, to + i * 4);
#endif
  Each<std::uint16_t, float, WidenFloat16>(from + i * 2, to + i * 4, count - i);
}

float LargestFinite(const std::byte* floats, std::size_t count) {
  // As whole numbers: magnitudes have the order of their bits, and compilers vectorise this.
  std::int32_t largest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = LoadAt<std::uint32_t>(floats + i * 4) & kMagnitude;
    const auto finite = static_cast<std::int32_t>(bits < kInfinity ? bits : 0);
    largest = largest > finite ? largest : finite;
  }
  return std::bit_cast<float>(largest);
}

float ScaleFor(float largest) {
  constexpr float kCodes = 127;
  // The largest one whose product with the largest code is finite.
  constexpr float kMost = std::bit_cast<float>(
      std::bit_cast<std::uint32_t>(std::numeric_limits<float>::max() / kCodes) - 1);
  const float scale = largest / kCodes;
  if (scale < std::numeric_limits<float>::min()) return 0;
  return scale < kMost ? scale : kMost;
}

// One group each; loops of their own, whose pointers the compiler can tell apart.
void Quantize(const std::byte* __restrict floats, std::byte* __restrict codes, std::size_t count,
              float by) {
  // Adding it to a small number rounds that to nearest even, into the lowest bits.
  constexpr float kRounder = 0x1.8p23f;
  for (std::size_t i = 0; i < count; ++i) {
    const auto value = LoadAt<float>(floats + i * 4);
    const bool finite = (std::bit_cast<std::uint32_t>(value) & kMagnitude) < kInfinity;
    const std::uint32_t code = std::bit_cast<std::uint32_t>(value * by + kRounder) -
                               std::bit_cast<std::uint32_t>(kRounder);
    codes[i] = static_cast<std::byte>(finite ? code : static_cast<std::uint32_t>(kNotFinite));
  }
}

void Dequantize(const std::byte* __restrict codes, std::byte* __restrict floats, std::size_t count,
                float scale) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t code = static_cast<std::int8_t>(codes[i]);
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(code) * scale);
    const std::uint32_t nan = code == kNotFinite ? 0x7fc00000 : 0;
    StoreAt(floats + i * 4, nan != 0 ? nan : bits);
  }
}

void ToInt8(const std::byte* floats, std::byte* wire, std::size_t count, std::size_t group) {
  std::byte* codes = wire + (count + group - 1) / group * sizeof(float);
  for (std::size_t begin = 0; begin < count; begin += group, wire += sizeof(float)) {
    const std::size_t some = group < count - begin ? group : count - begin;
    const float scale = ScaleFor(LargestFinite(floats + begin * 4, some));
    StoreAt(wire, scale);
    Quantize(floats + begin * 4, codes + begin, some, scale > 0 ? 1 / scale : 0);
  }
}

void FromInt8(const std::byte* wire, std::byte* floats, std::size_t count, std::size_t group) {
  const std::byte* codes = wire + (count + group - 1) / group * sizeof(float);
  for (std::size_t begin = 0; begin < count; begin += group, wire += sizeof(float)) {
    const std::size_t some = group < count - begin ? group : count - begin;
    Dequantize(codes + begin, floats + begin * 4, some, LoadAt<float>(wire));
  }
}

float FiniteDifference(float meant, float sent) {
  const float rest = meant - sent;
  return (std::bit_cast<std::uint32_t>(rest) & kMagnitude) < kInfinity ? rest : 0;
}

void Rest(const std::byte* meant, const std::byte* __restrict sent, std::byte* rest,
          std::size_t count) {
  // Two loops, so that the compiler knows what overlaps.
  if (rest == meant) {
    std::byte* __restrict both = rest;
    for (std::size_t at = 0; at < count * 4; at += 4) {
      StoreAt(both + at, FiniteDifference(LoadAt<float>(both + at), LoadAt<float>(sent + at)));
    }
    return;
  }
  const std::byte* __restrict from = meant;
  std::byte* __restrict to = rest;
  for (std::size_t at = 0; at < count * 4; at += 4) {
    StoreAt(to + at, FiniteDifference(LoadAt<float>(from + at), LoadAt<float>(sent + at)));
  }
}

double ToDouble(float value) { return value; }
float ToFloat(double value) { return static_cast<float>(value); }

constexpr ConvertKernels kConvertHere = {
    .to_float16 = ToFloat16,
    .from_float16 = FromFloat16,
    .to_bfloat16 = Each<float, std::uint16_t, FloatToBfloat16>,
    .from_bfloat16 = Each<std::uint16_t, float, Bfloat16ToFloat>,
    .to_float64 = Each<float, double, ToDouble>,
    .from_float64 = Each<double, float, ToFloat>,
    .to_int8 = ToInt8,
    .from_int8 = FromInt8,
    .remainder = Rest,
};

}  // namespace
}  // namespace regatta::eccl

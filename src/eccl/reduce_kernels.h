#pragma once

// The loops over elements. Included by reduce.cc and once for every further set of instructions
// (reduce_avx2.cc), never elsewhere.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "eccl/half.h"
#include "regatta/eccl.h"

// Everything is in an unnamed namespace: each including file has its own, compiled for its own set
// of instructions, and the linker can not mix them up.
namespace regatta::eccl {
namespace {

// Elements are loaded and stored by memcpy: user buffers need no alignment, and the compiler makes
// plain vector moves of it.
template <typename T>
struct Plain {
  using Value = T;
  static constexpr std::size_t kBytes = sizeof(T);
  static T Load(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof(T));
    return value;
  }
  static void Store(std::byte* at, T value) { std::memcpy(at, &value, sizeof(T)); }
};

template <float (*kToFloat)(std::uint16_t), std::uint16_t (*kFromFloat)(float)>
struct Half {
  using Value = float;
  static constexpr std::size_t kBytes = 2;
  static float Load(const std::byte* at) { return kToFloat(Plain<std::uint16_t>::Load(at)); }
  static void Store(std::byte* at, float value) {
    Plain<std::uint16_t>::Store(at, kFromFloat(value));
  }
};
using Float16 = Half<Float16ToFloat, FloatToFloat16>;
using Bfloat16 = Half<Bfloat16ToFloat, FloatToBfloat16>;

// Signed overflow is undefined in C++ but users expect wrap-around: compute unsigned.
template <typename T>
using Wrapping = typename std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>,
                                             std::type_identity<T>>::type;

template <typename T>
T Add(T a, T b) {
  return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
}
template <typename T>
T Multiply(T a, T b) {
  // uint8_t and uint16_t would be promoted to int; 64-bit unsigned keeps the low bits for all.
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  } else {
    return a * b;
  }
}
template <typename T>
bool IsNan(T value) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(value);
  return false;
}
template <typename T>
T Max(T a, T b) {
  return (a > b || IsNan(a)) ? a : b;
}
template <typename T>
T Min(T a, T b) {
  return (a < b || IsNan(a)) ? a : b;
}

// The bitwise operations are for integers; a caller that asks them of floats was refused before.
template <typename T>
T And(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(a & b);
  return a;
}
template <typename T>
T Or(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(a | b);
  return a;
}
template <typename T>
T Xor(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(a ^ b);
  return a;
}

// A loop of its own for each way in which buffers may be the same: told that they do not overlap,
// the compiler needs no check at run time, which would send these cases to its slow loop.
template <typename E, auto kCombine>
void Apply(std::byte* to, const std::byte* first, const std::byte* second, std::size_t count) {
  if (to == first) {
    std::byte* __restrict into = to;
    const std::byte* __restrict other = second;
    for (std::size_t at = 0; at < count * E::kBytes; at += E::kBytes) {
      E::Store(into + at, kCombine(E::Load(into + at), E::Load(other + at)));
    }
  } else if (to == second) {
    std::byte* __restrict into = to;
    const std::byte* __restrict other = first;
    for (std::size_t at = 0; at < count * E::kBytes; at += E::kBytes) {
      E::Store(into + at, kCombine(E::Load(other + at), E::Load(into + at)));
    }
  } else {
    std::byte* __restrict into = to;
    const std::byte* __restrict left = first;
    const std::byte* __restrict right = second;
    for (std::size_t at = 0; at < count * E::kBytes; at += E::kBytes) {
      E::Store(into + at, kCombine(E::Load(left + at), E::Load(right + at)));
    }
  }
}

template <typename E>
void CombineAs(std::byte* to, const std::byte* first, const std::byte* second, std::size_t count,
               ecclRedOp_t op) {
  using T = typename E::Value;
  switch (op) {
    case ecclSum:
    case ecclAvg:
      return Apply<E, Add<T>>(to, first, second, count);
    case ecclProd:
      return Apply<E, Multiply<T>>(to, first, second, count);
    case ecclMax:
      return Apply<E, Max<T>>(to, first, second, count);
    case ecclMin:
      return Apply<E, Min<T>>(to, first, second, count);
    case ecclBand:
      return Apply<E, And<T>>(to, first, second, count);
    case ecclBor:
      return Apply<E, Or<T>>(to, first, second, count);
    case ecclBxor:
      return Apply<E, Xor<T>>(to, first, second, count);
  }
}

template <typename E>
void DivideAs(std::byte* data, std::size_t count, int by) {
  using T = typename E::Value;
  for (std::size_t i = 0; i < count; ++i) {
    std::byte* at = data + i * E::kBytes;
    if constexpr (std::is_integral_v<T> && sizeof(T) < 8) {
      E::Store(at, static_cast<T>(static_cast<std::int64_t>(E::Load(at)) / by));
    } else {
      E::Store(at, E::Load(at) / static_cast<T>(by));
    }
  }
}

template <typename Function>
void WithType(ecclDataType_t type, Function function) {
  switch (type) {
    case ecclInt8:
      return function(Plain<std::int8_t>{});
    case ecclUint8:
      return function(Plain<std::uint8_t>{});
    case ecclInt32:
      return function(Plain<std::int32_t>{});
    case ecclUint32:
      return function(Plain<std::uint32_t>{});
    case ecclInt64:
      return function(Plain<std::int64_t>{});
    case ecclUint64:
      return function(Plain<std::uint64_t>{});
    case ecclFloat16:
      return function(Float16{});
    case ecclFloat32:
      return function(Plain<float>{});
    case ecclFloat64:
      return function(Plain<double>{});
    case ecclBfloat16:
      return function(Bfloat16{});
  }
}

void CombineHere(std::byte* to, const std::byte* first, const std::byte* second, std::size_t count,
                 ecclDataType_t type, ecclRedOp_t op) {
  WithType(type, [&](auto element) { CombineAs<decltype(element)>(to, first, second, count, op); });
}

void DivideHere(std::byte* data, std::size_t count, ecclDataType_t type, int by) {
  WithType(type, [&](auto element) { DivideAs<decltype(element)>(data, count, by); });
}

}  // namespace
}  // namespace regatta::eccl

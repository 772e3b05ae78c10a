#include "eccl/formats/top.h"

#include <array>
#include <bit>

namespace regatta::eccl {
namespace {

constexpr std::uint32_t kInfinity = 0x7f800000;
// A magnitude is 31 bits; their order as whole numbers is that of the values. Looked at from the
// top: 11 bits, then 10, then 10.
constexpr unsigned kFirstShift = 20;
constexpr unsigned kDigitBits = 10;

std::uint32_t Magnitude(float value) { return std::bit_cast<std::uint32_t>(value) & 0x7fffffff; }

// The highest digit at or above which there are at least *k values. *k becomes how many of those
// with just this digit are wanted.
template <std::size_t kSize>
std::uint32_t DigitOf(const std::array<std::size_t, kSize>& counts, std::size_t* k) {
  std::size_t digit = kSize - 1;
  while (counts[digit] < *k) *k -= counts[digit--];
  return static_cast<std::uint32_t>(digit);
}

// The magnitude of the k-th largest value. *k becomes how many values of just this magnitude are
// among the largest.
std::uint32_t LimitOf(std::span<const float> values, std::size_t* k, bool* all_finite) {
  // Two tables in turn: neighbours are often alike, and would wait for each other's count.
  std::array<std::size_t, 1u << (31 - kFirstShift)> counts{}, odd{};
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
    ++counts[Magnitude(values[i]) >> kFirstShift];
    ++odd[Magnitude(values[i + 1]) >> kFirstShift];
  }
  if (values.size() % 2 == 1) ++counts[Magnitude(values.back()) >> kFirstShift];
  for (std::size_t digit = 0; digit < counts.size(); ++digit) counts[digit] += odd[digit];
  for (std::size_t digit = kInfinity >> kFirstShift; digit < counts.size(); ++digit) {
    *all_finite = *all_finite && counts[digit] == 0;
  }
  std::uint32_t limit = DigitOf(counts, k);
  std::vector<std::uint32_t> alike;
  alike.reserve(counts[limit]);
  for (const float value : values) {
    if (Magnitude(value) >> kFirstShift == limit) alike.push_back(Magnitude(value));
  }
  for (unsigned shift = kFirstShift - kDigitBits;; shift -= kDigitBits) {
    std::array<std::size_t, 1u << kDigitBits> some{};
    const std::uint32_t above = limit;
    for (const std::uint32_t magnitude : alike) {
      if (magnitude >> (shift + kDigitBits) == above) {
        ++some[magnitude >> shift & ((1u << kDigitBits) - 1)];
      }
    }
    limit = above << kDigitBits | DigitOf(some, k);
    if (shift == 0) return limit;
  }
}

}  // namespace

Top SelectTop(std::span<const float> values, std::size_t k) {
  Top top;
  if (k == 0) return top;
  std::size_t at_limit = k;
  const std::uint32_t limit = LimitOf(values, &at_limit, &top.all_finite);
  top.indices.reserve(k);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint32_t magnitude = Magnitude(values[i]);
    if (magnitude < limit) continue;
    if (magnitude == limit) {
      if (at_limit == 0) continue;
      --at_limit;
    }
    top.indices.push_back(static_cast<std::uint32_t>(i));
  }
  return top;
}

}  // namespace regatta::eccl

#include "eccl/formats/matrix.h"

#include <cmath>

namespace regatta::eccl {
namespace {

// Below this share of its length what is left of a column is rounding.
constexpr double kVanished = 1e-5;

double DotInDouble(const float* a, const float* b, std::size_t count) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += double{a[i]} * b[i];
  return sum;
}

void Scale(float* column, double by, std::size_t length) {
  for (std::size_t i = 0; i < length; ++i) column[i] = static_cast<float>(column[i] * by);
}

// Takes the columns before `at` out of it. Gives what is left of its norm, as a share.
double Project(float* columns, std::size_t length, std::size_t at) {
  float* column = columns + at * length;
  const double before = std::sqrt(DotInDouble(column, column, length));
  if (before == 0) return 0;
  Scale(column, 1 / before, length);
  for (std::size_t other = 0; other < at; ++other) {
    const float* done = columns + other * length;
    const double along = DotInDouble(column, done, length);
    for (std::size_t i = 0; i < length; ++i) {
      column[i] = static_cast<float>(column[i] - along * done[i]);
    }
  }
  const double left = std::sqrt(DotInDouble(column, column, length));
  if (left > 0) Scale(column, 1 / left, length);
  return left;
}

}  // namespace

float Dot(const float* a, const float* b, std::size_t count) {
  constexpr std::size_t kLanes = 16;
  float lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  }
  for (std::size_t lane = 0; i < count; ++i, ++lane) lanes[lane] += a[i] * b[i];
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

void AddScaled(float* __restrict to, const float* __restrict a, float by, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] += a[i] * by;
}

void Orthonormalise(float* columns, std::size_t length, std::size_t count, std::uint64_t seed) {
  for (std::size_t at = 0; at < count; ++at) {
    if (Project(columns, length, at) >= kVanished) {
      // What was taken out is not quite gone while little was left: once more is enough.
      Project(columns, length, at);
      continue;
    }
    do {
      FillRandom(columns + at * length, length, seed + at);
      seed += count;
      Project(columns, length, at);
    } while (Project(columns, length, at) < 0.5);
  }
}

void NormaliseColumns(float* columns, std::size_t length, std::size_t count) {
  for (std::size_t at = 0; at < count; ++at) {
    float* column = columns + at * length;
    const double norm = std::sqrt(DotInDouble(column, column, length));
    if (norm > 0) Scale(column, 1 / norm, length);
  }
}

// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
void FillRandom(float* floats, std::size_t count, std::uint64_t seed) {
  for (std::size_t i = 0; i < count; ++i) {
    seed += 0x9e3779b97f4a7c15;
    std::uint64_t mixed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    mixed ^= mixed >> 31;
    floats[i] = static_cast<float>(static_cast<std::int64_t>(mixed) >> 40) * 0x1p-23f;
  }
}

bool AllFinite(const float* floats, std::size_t count) {
  bool finite = true;
  for (std::size_t i = 0; i < count; ++i) finite &= std::isfinite(floats[i]);
  return finite;
}

}  // namespace regatta::eccl

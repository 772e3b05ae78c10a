#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "eccl/testing/ranks.h"
#include "regatta/eccl.h"

namespace regatta::eccl {

using Floats = std::vector<float>;

// Compression between any two ranks: tests have one host.
inline ecclCompressorConfig_t ConfigOf(ecclWireFormat_t format) {
  ecclCompressorConfig_t config = ECCL_COMPRESSOR_CONFIG_INITIALIZER;
  config.format = format;
  config.inside_hosts = 1;
  return config;
}

// A compressor that goes away with its scope.
class Handle {
 public:
  explicit Handle(const ecclCompressorConfig_t& config) {
    EXPECT_EQ(ecclCompressorCreate(&handle_, &config), ecclSuccess) << ecclGetLastError(nullptr);
  }
  ~Handle() { EXPECT_EQ(ecclCompressorDestroy(handle_), ecclSuccess); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ecclCompressor_t get() const { return handle_; }
  ecclCompressorInfo_t info() const {
    ecclCompressorInfo_t info;
    EXPECT_EQ(ecclCompressorGetInfo(handle_, &info), ecclSuccess);
    return info;
  }
  std::vector<char> Save() const {
    std::size_t bytes = 0;
    EXPECT_EQ(ecclCompressorSave(handle_, nullptr, &bytes), ecclSuccess);
    std::vector<char> state(bytes);
    EXPECT_EQ(ecclCompressorSave(handle_, state.data(), &bytes), ecclSuccess);
    return state;
  }
  // An all-reduce of floats.
  void Reduce(const Floats& in, Floats* out, ecclComm_t comm, ecclRedOp_t op = ecclSum) const {
    Expect(
        ecclAllReduceCompressed(in.data(), out->data(), in.size(), ecclFloat32, op, handle_, comm));
  }

 private:
  ecclCompressor_t handle_ = nullptr;
};

inline Floats Random(unsigned seed, std::size_t count) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw(0, 1);
  Floats floats(count);
  for (float& value : floats) value = draw(random);
  return floats;
}

// Of Random(seed + rank) over the ranks.
inline std::vector<double> ExactSum(int ranks, std::size_t count, unsigned seed = 0) {
  std::vector<double> sum(count);
  for (int rank = 0; rank < ranks; ++rank) {
    const Floats part = Random(seed + static_cast<unsigned>(rank), count);
    for (std::size_t i = 0; i < count; ++i) sum[i] += part[i];
  }
  return sum;
}

inline void ExpectSameBits(const std::vector<Floats>& results) {
  for (const Floats& result : results) {
    ASSERT_EQ(result.size(), results[0].size());
    if (result.empty()) continue;
    // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): it is the bits that are compared
    EXPECT_EQ(std::memcmp(result.data(), results[0].data(), result.size() * 4), 0);
  }
}

}  // namespace regatta::eccl

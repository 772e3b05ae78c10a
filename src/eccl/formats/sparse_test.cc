// Top-k all-reduces through the C API, with ranks as threads.

#include "eccl/formats/sparse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>
#include <string>

#include "eccl/formats/top.h"
#include "eccl/testing/compression.h"

namespace regatta::eccl {
namespace {

struct Shape {
  int size;
  double ratio;
};
void PrintTo(const Shape& shape, std::ostream* out) {
  *out << shape.size << " ranks, ratio " << shape.ratio;
}

class TopK : public testing::TestWithParam<Shape> {
 protected:
  int size() const { return GetParam().size; }
  ecclCompressorConfig_t Config() const {
    ecclCompressorConfig_t config = ConfigOf(ecclWireTopK);
    config.topk_ratio = GetParam().ratio;
    return config;
  }
};

// Small whole numbers, whose sums are exact.
Floats Whole(int rank, std::size_t count) {
  Floats floats(count);
  for (std::size_t i = 0; i < count; ++i) {
    floats[i] = static_cast<float>((i * 31 + static_cast<std::size_t>(rank) * 17) % 101) - 50;
  }
  return floats;
}

// What a rank sends of its values, and keeps.
Floats TakeTop(Floats* owed, std::size_t k) {
  Floats sent(owed->size());
  for (const std::uint32_t index : SelectTop(*owed, k).indices) {
    std::swap(sent[index], (*owed)[index]);
  }
  return sent;
}

TEST_P(TopK, IsTheSumOfEachRanksLargestAndKeepsTheRest) {
  Ranks ranks(size(), "shm");
  for (const std::size_t count : {0, 1, 7, 10'007}) {
    const auto k =
        static_cast<std::size_t>(std::ceil(GetParam().ratio * static_cast<double>(count)));
    std::vector<Floats> results(static_cast<std::size_t>(size()), Floats(count));
    std::vector<Floats> owed(static_cast<std::size_t>(size()), Floats(count));
    std::vector<Floats> wants;
    for (int step = 0; step < 3; ++step) {
      Floats want(count);
      for (int rank = 0; rank < size(); ++rank) {
        Floats& debt = owed[static_cast<std::size_t>(rank)];
        const Floats in = Whole(rank, count);
        for (std::size_t i = 0; i < count; ++i) debt[i] += in[i];
        const Floats sent = TakeTop(&debt, k);
        for (std::size_t i = 0; i < count; ++i) want[i] += sent[i];
      }
      wants.push_back(want);
    }
    ranks.Run([&](int rank, ecclComm_t comm) {
      const Handle compressor(Config());
      for (const Floats& want : wants) {
        Floats& data = results[static_cast<std::size_t>(rank)];
        data = Whole(rank, count);
        compressor.Reduce(data, &data, comm);
        ASSERT_EQ(data, want);
      }
      ecclOpInfo_t info;
      Expect(ecclCommGetLastOp(comm, &info));
      // Few entries go to everybody; many go to owners.
      const bool few = GetParam().ratio * size() < 0.4 || count == 0 || size() == 1;
      if (count != 1 && count != 7) {
        EXPECT_STREQ(info.algorithm, few ? "top-k gather" : "top-k direct");
      }
    });
    ExpectSameBits(results);
  }
}

TEST_P(TopK, ErrorFeedbackMakesTheMeanOfManyStepsExact) {
  constexpr std::size_t kCount = 2000;
  const int steps = static_cast<int>(40 / GetParam().ratio);
  const std::vector<double> exact = ExactSum(size(), kCount);
  std::vector<double> total(kCount);
  Ranks ranks(size(), "shm");
  ranks.Run([&](int rank, ecclComm_t comm) {
    const Handle compressor(Config());
    const Floats in = Random(static_cast<unsigned>(rank), kCount);
    Floats out(kCount);
    for (int step = 0; step < steps; ++step) {
      compressor.Reduce(in, &out, comm, ecclAvg);
      for (std::size_t i = 0; rank == 0 && i < kCount; ++i) total[i] += out[i];
    }
  });
  double worst = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    worst = std::max(worst, std::fabs(total[i] / steps - exact[i] / size()));
  }
  // A value waits about 1 / ratio steps, of all values as large as the largest: 4 / 40 of it.
  EXPECT_LE(worst, 0.15);
}

INSTANTIATE_TEST_SUITE_P(Ratios, TopK,
                         testing::Values(Shape{1, 0.1}, Shape{2, 0.01}, Shape{2, 1}, Shape{3, 0.05},
                                         Shape{5, 0.02}, Shape{4, 0.5}, Shape{8, 0.3}));

TEST(TopKOptions, TheWarmUpFallsFromAQuarterToTheRatio) {
  WireOptions options;
  options.format = ecclWireTopK;
  options.topk_ratio = 0.001;
  options.warmup_steps = 100;
  EXPECT_EQ(TopCount(options, 0, 1'000'000), 250'000u);
  EXPECT_NEAR(static_cast<double>(TopCount(options, 50, 1'000'000)), 1e6 * std::sqrt(0.25 * 0.001),
              2);
  EXPECT_EQ(TopCount(options, 100, 1'000'000), 1000u);
  EXPECT_EQ(TopCount(options, 5000, 1'000'000), 1000u);
  EXPECT_EQ(TopCount(options, 5000, 10), 1u) << "one at least";
  EXPECT_EQ(TopCount(options, 5000, 0), 0u);
}

// One rank, so that what it sends can be followed by hand: momentum 0.5, two elements of which the
// larger is sent.
TEST(TopKOptions, MomentumIsCorrectedAndMasked) {
  ecclComm_t comm;
  ASSERT_EQ(ecclCommInitAll(&comm, 1, nullptr), ecclSuccess);
  {
    ecclCompressorConfig_t config = ConfigOf(ecclWireTopK);
    config.topk_ratio = 0.5;
    config.momentum = 0.5;
    const Handle compressor(config);
    const Floats gradient = {4, 1};
    Floats out(2);
    const auto step = [&] {
      compressor.Reduce(gradient, &out, comm);
      return out;
    };
    // u = (4, 1), v = (4, 1): the first is sent, and forgotten in both.
    EXPECT_EQ(step(), (Floats{4, 0}));
    // u = (4, 1.5), v = (4, 2.5).
    EXPECT_EQ(step(), (Floats{4, 0}));
    // u = (4, 1.75), v = (4, 4.25): now the second, with its momentum.
    EXPECT_EQ(step(), (Floats{0, 4.25}));
    // u = (6, 1), v = (10, 1).
    EXPECT_EQ(step(), (Floats{10, 0}));
  }
  EXPECT_EQ(ecclCommDestroy(comm), ecclSuccess);
}

TEST(TopKOptions, ARanksValuesAreClippedToItsShareOfTheNorm) {
  Ranks ranks(4, "shm");
  ranks.Run([](int rank, ecclComm_t comm) {
    ecclCompressorConfig_t config = ConfigOf(ecclWireTopK);
    config.topk_ratio = 1;
    config.clip_norm = 2;  // 1 for each of 4 ranks
    const Handle compressor(config);
    // Of norm 5 on rank 0, and 0.5 on the others: those are not scaled.
    Floats data = rank == 0 ? Floats{3, 4} : Floats{0.5, 0};
    compressor.Reduce(data, &data, comm);
    EXPECT_FLOAT_EQ(data[0], 0.6f + 1.5f);
    EXPECT_FLOAT_EQ(data[1], 0.8f);
  });
}

TEST(TopKOptions, ValuesThatAreNotFiniteGoFirstAndLeaveNothing) {
  Ranks ranks(2, "shm");
  ranks.Run([](int rank, ecclComm_t comm) {
    ecclCompressorConfig_t config = ConfigOf(ecclWireTopK);
    config.topk_ratio = 0.1;
    config.momentum = 0.9;
    const Handle compressor(config);
    Floats data(10, 1);
    if (rank == 0) std::fill_n(data.begin(), 5, std::numeric_limits<float>::quiet_NaN());
    compressor.Reduce(data, &data, comm);
    EXPECT_TRUE(std::any_of(data.begin(), data.end(), [](float v) { return std::isnan(v); }));
    for (int step = 0; step < 30; ++step) {
      data.assign(10, 1);
      compressor.Reduce(data, &data, comm);
      for (const float value : data) ASSERT_TRUE(std::isfinite(value)) << step;
    }
  });
}

TEST(TopKOptions, RanksInDifferentStepsOfTheWarmUpAreAMismatch) {
  Ranks ranks(2, "shm");
  ranks.Run([](int rank, ecclComm_t comm) {
    ecclCompressorConfig_t config = ConfigOf(ecclWireTopK);
    config.topk_ratio = 0.125;
    config.warmup_steps = 10;
    const Handle compressor(config);
    Floats data(100, 1);
    compressor.Reduce(data, &data, comm);
    if (rank == 0) Expect(ecclCompressorReset(compressor.get()));
    EXPECT_EQ(ecclAllReduceCompressed(data.data(), data.data(), 100, ecclFloat32, ecclSum,
                                      compressor.get(), comm),
              ecclMismatch);
    const std::string text = ecclGetLastError(comm);
    EXPECT_NE(text.find("top-k of 0.125, options"), std::string::npos) << text;
  });
}

}  // namespace
}  // namespace regatta::eccl

// Times that can be worked out by hand, and the bytes that leave a host.

#include "eccl/timed_simulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "eccl/programs.h"
#include "eccl/select.h"

namespace regatta::eccl {
namespace {

constexpr std::size_t kMiB = 1u << 20;

// One rank on each host.
std::vector<std::vector<int>> Alone(int hosts) {
  std::vector<std::vector<int>> ranks;
  for (int host = 0; host < hosts; ++host) ranks.push_back({host});
  return ranks;
}

// Hosts of consecutive ranks.
std::vector<std::vector<int>> Blocks(int hosts, int width) {
  std::vector<std::vector<int>> ranks(static_cast<std::size_t>(hosts));
  for (int rank = 0; rank < hosts * width; ++rank) {
    ranks[static_cast<std::size_t>(rank / width)].push_back(rank);
  }
  return ranks;
}

base::Result<Timing> Time(OpKind kind, std::string_view algorithm, const Wiring& wiring,
                          std::size_t bytes) {
  int size = 0;
  for (const auto& host : wiring.hosts) size += static_cast<int>(host.size());
  std::vector<Plan> plans;
  plans.reserve(static_cast<std::size_t>(size));
  for (int rank = 0; rank < size; ++rank) {
    plans.emplace_back(MakeProgram(kind, algorithm, 0, rank, size, wiring.hosts));
  }
  std::vector<const Plan*> pointers;
  for (const Plan& plan : plans) pointers.push_back(&plan);
  return SimulateTime(pointers, wiring, bytes);
}

// 1 GB/s and nothing else costs.
constexpr LinkCost kFree{};
constexpr LinkCost kGigabyte{.latency = 0, .per_byte = 1e-9};

TEST(SimulateTime, GivesARingItsLowerBound) {
  for (const int ranks : {2, 3, 8, 64}) {
    const auto timing =
        Time(OpKind::kAllReduce, "ring", {Alone(ranks), kFree, kGigabyte}, 64 * kMiB);
    ASSERT_TRUE(timing.ok());
    const double bound = 2.0 * (ranks - 1) / ranks * 64 * kMiB * 1e-9;
    EXPECT_NEAR(timing->seconds, bound, bound * 0.01) << ranks << " ranks";
  }
}

TEST(SimulateTime, CountsRoundsWhereOnlyLatencyCosts) {
  const Wiring wiring{Alone(1024), kFree, {.latency = 1e-6, .per_byte = 0}};
  EXPECT_NEAR(Time(OpKind::kAllReduce, "doubling", wiring, 8)->seconds, 10e-6, 1e-9);
  EXPECT_NEAR(Time(OpKind::kAllReduce, "ring", wiring, 4 * kMiB)->seconds, 2 * 1023e-6, 1e-9);
  EXPECT_NEAR(Time(OpKind::kBroadcast, "binomial", wiring, 8)->seconds, 10e-6, 1e-9);
  EXPECT_NEAR(Time(OpKind::kBarrier, "", wiring, 0)->seconds, 10e-6, 1e-9);
}

// Rank 0 sends everything twice over its link; a chain passes blocks on while more arrive.
TEST(SimulateTime, OverlapsTheBlocksOfAChain) {
  const auto timing = Time(OpKind::kBroadcast, "chain", {Alone(8), kFree, kGigabyte}, 64 * kMiB);
  ASSERT_TRUE(timing.ok());
  const double bound = 64 * kMiB * 1e-9 + 6 * kBlockBytes * 1e-9;
  EXPECT_NEAR(timing->seconds, bound, bound * 0.01);
}

TEST(SimulateTime, SharesAHostsLinkAmongItsRanks) {
  const Wiring wiring{Blocks(2, 4), kFree, kGigabyte};
  const auto doubling = Time(OpKind::kAllReduce, "doubling", wiring, kMiB);
  ASSERT_TRUE(doubling.ok());
  EXPECT_NEAR(doubling->seconds, 4 * kMiB * 1e-9, 4 * kMiB * 1e-9 * 0.01);
  EXPECT_EQ(doubling->leaving_bytes, 4 * kMiB);
  const auto hierarchical = Time(OpKind::kAllReduce, "hierarchical", wiring, kMiB);
  ASSERT_TRUE(hierarchical.ok());
  EXPECT_NEAR(hierarchical->seconds, kMiB * 1e-9, kMiB * 1e-9 * 0.01);
  EXPECT_EQ(hierarchical->leaving_bytes, kMiB);
}

TEST(SimulateTime, AgreesWithTheCostModelAboutWhichAlgorithmIsBest) {
  const Wiring wiring{Blocks(4, 8), {1e-6, 1e-10}, {30e-6, 8e-9}};
  CostModel model(wiring.hosts);
  model.SetCosts(wiring.inside, wiring.between);
  const Selector selector(0, 32, wiring.hosts, "", false);
  for (const std::size_t bytes : {std::size_t{8}, 64 * kMiB}) {
    std::string_view predicted, simulated;
    double least_predicted = 1e9, least_simulated = 1e9;
    for (const std::string_view name : selector.Candidates(OpKind::kAllReduce)) {
      const double guess = model.Predict(OpKind::kAllReduce, name, bytes);
      if (guess < least_predicted) least_predicted = guess, predicted = name;
      const auto timing = Time(OpKind::kAllReduce, name, wiring, bytes);
      ASSERT_TRUE(timing.ok()) << timing.status().message();
      if (timing->seconds < least_simulated) least_simulated = timing->seconds, simulated = name;
    }
    EXPECT_EQ(predicted, simulated) << bytes << " bytes";
  }
}

// Only one link in eight of this ring leaves a host.
TEST(SimulateTime, FindsTheRingAsSlowAsTheCostModelSays) {
  const Wiring wiring{Blocks(16, 8), {1e-6, 1e-10}, {30e-6, 3.2e-10}};
  CostModel model(wiring.hosts);
  model.SetCosts(wiring.inside, wiring.between);
  for (const std::size_t bytes : {std::size_t{8}, 256 * kMiB}) {
    const double predicted = model.Predict(OpKind::kAllReduce, "ring", bytes);
    const auto timing = Time(OpKind::kAllReduce, "ring", wiring, bytes);
    ASSERT_TRUE(timing.ok()) << timing.status().message();
    EXPECT_NEAR(timing->seconds, predicted, predicted * 0.15) << bytes << " bytes";
  }
}

TEST(SimulateTime, SaysWhenARankWaitsForEver) {
  Program nothing = RingAllReduce(0, 2);
  nothing.steps.clear();
  const Plan one(RingAllReduce(0, 2)), other(nothing);
  const auto timing = SimulateTime({&one, &other}, {Alone(2), kFree, kGigabyte}, kMiB);
  ASSERT_FALSE(timing.ok());
  EXPECT_THAT(std::string(timing.status().message()), testing::HasSubstr("rank 0 waits for ever"));
}

}  // namespace
}  // namespace regatta::eccl

#include "topology/probe_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <set>

#include "topology/testing/synthetic_cluster.h"

namespace regatta::topology {
namespace {

using testing::ClusterShape;
using ::testing::HasSubstr;
using testing::SyntheticCluster;
using Kind = ClusterShape::Fabric;

struct Case {
  const char* name;
  ClusterShape shape;
  bool keys = true;
  // Measurements are at most so many times n log2 n.
  double budget = 1;
  int seeds = 3;
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

class ProbePlan : public ::testing::TestWithParam<Case> {};

TEST_P(ProbePlan, RecoversTheClusterExactly) {
  for (int seed = 1; seed <= GetParam().seeds; ++seed) {
    ClusterShape shape = GetParam().shape;
    shape.seed = static_cast<std::uint64_t>(seed);
    SyntheticCluster cluster(shape);
    FabricOptions options;
    if (GetParam().keys) options.host_keys = cluster.Keys();
    const auto probed = ProbeFabric(
        cluster.ports(), [&](const auto& pairs) { return cluster.ProbeAll(pairs); }, options);
    ASSERT_TRUE(probed.ok()) << probed.status().ToString();
    EXPECT_EQ(cluster.Difference(probed->fabric), "") << "seed " << seed;
    const bool rails = shape.fabric == Kind::kRails || shape.fabric == Kind::kRailsOnly;
    EXPECT_EQ(probed->fabric.rails, rails ? shape.ports : 0);
    const double n = cluster.ports();
    const double measurements = static_cast<double>(probed->samples.size());
    std::printf(
        "%s, seed %d: %.0f ports, %.0f measurements (%.2f n log2 n, all pairs once: %.0f) "
        "in %d rounds\n",
        GetParam().name, seed, n, measurements, measurements / (n * std::log2(n)), n * (n - 1) / 2,
        probed->rounds);
    EXPECT_LE(measurements, GetParam().budget * n * std::log2(n));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Clusters, ProbePlan,
    ::testing::Values(
        Case{.name = "Rails1024x8", .shape = {.hosts = 1024, .ports = 8}},
        Case{.name = "Rails1024x8InPods",
             .shape = {.hosts = 1024, .ports = 8, .pods = 32},
             .budget = 4},
        Case{.name = "Rails1024x8InPodsInOrder",
             .shape = {.hosts = 1024, .ports = 8, .pods = 32, .shuffled = false},
             .budget = 3},
        Case{.name = "RailPlanes512x8",
             .shape = {.hosts = 512, .ports = 8, .pods = 8, .rail_planes = true},
             .budget = 1.5},
        Case{.name = "Rails1024x8WithoutKeysInOrder",
             .shape = {.hosts = 1024, .ports = 8, .shuffled = false},
             .keys = false,
             .budget = 16,
             .seeds = 1},
        Case{.name = "Rails64x8WithoutKeysShuffled",
             .shape = {.hosts = 64, .ports = 8},
             .keys = false,
             .budget = 15,
             .seeds = 10},
        Case{.name = "Rails64x8WithOutliers",
             .shape = {.hosts = 64, .ports = 8, .outliers = 0.02},
             .budget = 2,
             .seeds = 10},
        Case{.name = "Rails64x8WithLittleNoise",
             .shape = {.hosts = 64, .ports = 8, .noise = 0.01},
             .budget = 1.5},
        Case{.name = "Rails16x4", .shape = {.hosts = 16, .ports = 4}, .budget = 3, .seeds = 50},
        Case{.name = "RailsOnly128x8",
             .shape = {.hosts = 128, .ports = 8, .fabric = Kind::kRailsOnly},
             .budget = 2},
        Case{.name = "Racks1024x8",
             .shape = {.hosts = 1024, .ports = 8, .pods = 64, .fabric = Kind::kRacks},
             .budget = 3.5},
        Case{.name = "Flat1024x8", .shape = {.hosts = 1024, .ports = 8, .fabric = Kind::kFlat}},
        Case{.name = "Flat2x2",
             .shape = {.hosts = 2, .ports = 2, .fabric = Kind::kFlat},
             .budget = 10}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ProbeFabric, DoesNotBelieveAKeyThatTwoHostsShare) {
  // Machines that were cloned with their boot id.
  SyntheticCluster cluster({.hosts = 16, .ports = 4});
  FabricOptions options{.host_keys = cluster.Keys()};
  for (std::string& key : options.host_keys) {
    if (key == "host-7") key = "host-3";
  }
  const auto probed = ProbeFabric(
      cluster.ports(), [&](const auto& pairs) { return cluster.ProbeAll(pairs); }, options);
  ASSERT_TRUE(probed.ok()) << probed.status().ToString();
  EXPECT_EQ(cluster.Difference(probed->fabric), "");
  EXPECT_EQ(probed->fabric.hosts, 16);
}

TEST(ProbeFabric, GivesUpWhereNoiseHidesEverything) {
  SyntheticCluster cluster({.hosts = 16, .ports = 4, .noise = 0.01});
  int calls = 0;
  // From the fourth round on a pair looks near and far by turns.
  const auto prober = [&](const std::vector<std::pair<int, int>>& pairs) {
    auto samples = cluster.ProbeAll(pairs);
    if (++calls > 3) {
      for (ProbeSample& sample : *samples) sample.latency_us = calls % 2 == 0 ? 2.2 : 3.4;
    }
    return samples;
  };
  const auto probed = ProbeFabric(cluster.ports(), prober, {.host_keys = cluster.Keys()});
  ASSERT_FALSE(probed.ok());
  EXPECT_EQ(probed.status().code(), base::Code::kUnavailable);
  EXPECT_THAT(probed.status().message(), HasSubstr("do not tell how far they are"));
}

TEST(ProbeFabric, HandsOnWhatTheProberSays) {
  const auto probed = ProbeFabric(4, [](const auto&) -> base::Result<std::vector<ProbeSample>> {
    return base::Status(base::Code::kUnavailable, "port 3 is down");
  });
  EXPECT_EQ(probed.status().message(), "port 3 is down");
  const auto strange = ProbeFabric(4, [](const auto&) -> base::Result<std::vector<ProbeSample>> {
    return std::vector<ProbeSample>{{.a = 0, .b = 9, .latency_us = 1}};
  });
  EXPECT_THAT(strange.status().message(), HasSubstr("between ports 0 and 9; there are 4 ports"));
  const auto alone = ProbeFabric(1, [](const auto&) { return std::vector<ProbeSample>(); });
  ASSERT_TRUE(alone.ok());
  EXPECT_EQ(alone->fabric.hosts, 1);
}

}  // namespace
}  // namespace regatta::topology

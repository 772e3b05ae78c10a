#include "topology/fabric.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/testing/synthetic_cluster.h"

namespace regatta::topology {
namespace {

using testing::ClusterShape;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using testing::SyntheticCluster;
using Kind = ClusterShape::Fabric;

std::vector<ProbeSample> Matrix(SyntheticCluster* cluster, int times) {
  std::vector<ProbeSample> samples;
  for (int i = 0; i < times; ++i) {
    for (int a = 0; a < cluster->ports(); ++a) {
      for (int b = 0; b < a; ++b) samples.push_back(cluster->Probe(a, b));
    }
  }
  return samples;
}

TEST(RecoverFabric, FindsHostsAndRailsInAMatrix) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SyntheticCluster cluster({.hosts = 16, .ports = 8, .seed = seed});
    const auto fabric = RecoverFabric(cluster.ports(), Matrix(&cluster, 1));
    ASSERT_TRUE(fabric.ok()) << fabric.status().ToString();
    EXPECT_EQ(cluster.Difference(*fabric), "") << "seed " << seed;
    EXPECT_EQ(fabric->rails, 8);
    EXPECT_EQ(fabric->pods, 1);
    ASSERT_THAT(fabric->classes, SizeIs(3));
    EXPECT_TRUE(fabric->classes[0].same_host);
    EXPECT_NEAR(fabric->classes[1].latency_us, 2.2, 0.1);
    EXPECT_NEAR(fabric->classes[2].latency_us, 3.4, 0.1);
    EXPECT_NEAR(fabric->classes[2].gigabytes_per_second, 21.6, 0.5);
  }
}

TEST(RecoverFabric, FindsThatThereAreNoRails) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SyntheticCluster racks(
        {.hosts = 16, .ports = 4, .pods = 4, .fabric = Kind::kRacks, .seed = seed});
    const auto in_racks = RecoverFabric(racks.ports(), Matrix(&racks, 1));
    ASSERT_TRUE(in_racks.ok()) << in_racks.status().ToString();
    EXPECT_EQ(racks.Difference(*in_racks), "") << "seed " << seed;
    EXPECT_EQ(in_racks->switches, 4);
    EXPECT_EQ(in_racks->rails, 0);
    EXPECT_THAT(in_racks->rail_of, Each(-1));

    SyntheticCluster flat({.hosts = 16, .ports = 4, .fabric = Kind::kFlat, .seed = seed});
    const auto in_flat = RecoverFabric(flat.ports(), Matrix(&flat, 1));
    ASSERT_TRUE(in_flat.ok()) << in_flat.status().ToString();
    EXPECT_EQ(flat.Difference(*in_flat), "") << "seed " << seed;
    EXPECT_EQ(in_flat->switches, 0);
    EXPECT_EQ(in_flat->rails, 0);
  }
}

TEST(RecoverFabric, TakesRailsThatDoNotReachEachOther) {
  SyntheticCluster cluster({.hosts = 8, .ports = 4, .fabric = Kind::kRailsOnly});
  const auto fabric = RecoverFabric(cluster.ports(), Matrix(&cluster, 2));
  ASSERT_TRUE(fabric.ok()) << fabric.status().ToString();
  EXPECT_EQ(cluster.Difference(*fabric), "");
  EXPECT_EQ(fabric->rails, 4);
  EXPECT_EQ(fabric->classes.back().latency_us, 0);
}

TEST(RecoverFabric, NumbersRailsAlikeInAllPods) {
  SyntheticCluster cluster(
      {.hosts = 16, .ports = 4, .pods = 2, .rail_planes = true, .shuffled = false});
  const auto fabric = RecoverFabric(cluster.ports(), Matrix(&cluster, 2));
  ASSERT_TRUE(fabric.ok()) << fabric.status().ToString();
  EXPECT_EQ(cluster.Difference(*fabric), "");
  EXPECT_EQ(fabric->pods, 2);
  EXPECT_EQ(fabric->switches, 8);
  for (int port = 0; port < cluster.ports(); ++port) {
    EXPECT_EQ(fabric->rail_of[port], cluster.LocalPort(port));
    EXPECT_EQ(fabric->pod_of[port], cluster.Pod(port));
  }
}

TEST(RecoverFabric, JoinsRailsOfPodsWhosePortsAreNumberedDifferently) {
  SyntheticCluster cluster({.hosts = 16, .ports = 4, .pods = 2, .rail_planes = true, .seed = 5});
  const auto fabric = RecoverFabric(cluster.ports(), Matrix(&cluster, 2));
  ASSERT_TRUE(fabric.ok()) << fabric.status().ToString();
  std::vector<int> rail_of_local(4, -1);
  for (int port = 0; port < cluster.ports(); ++port) {
    int& rail = rail_of_local[cluster.LocalPort(port)];
    if (rail < 0) rail = fabric->rail_of[port];
    EXPECT_EQ(fabric->rail_of[port], rail) << "port " << port;
  }
  EXPECT_EQ(fabric->rails, 4);
}

TEST(RecoverFabric, OnePortOnEachHostNeedsToBeTold) {
  SyntheticCluster cluster({.hosts = 12, .ports = 1, .pods = 3, .fabric = Kind::kRacks});
  const auto samples = Matrix(&cluster, 2);
  for (const FabricOptions& options :
       {FabricOptions{.nearest_is_host = false}, FabricOptions{.host_keys = cluster.Keys()}}) {
    const auto fabric = RecoverFabric(cluster.ports(), samples, options);
    ASSERT_TRUE(fabric.ok()) << fabric.status().ToString();
    EXPECT_EQ(fabric->hosts, 12);
    EXPECT_EQ(fabric->switches, 3);
    EXPECT_EQ(fabric->rails, 0);
  }
}

TEST(RecoverFabric, NamesASlowPort) {
  SyntheticCluster cluster({.hosts = 8, .ports = 4});
  cluster.SlowDown(13);
  const auto fabric = RecoverFabric(cluster.ports(), Matrix(&cluster, 2));
  ASSERT_TRUE(fabric.ok()) << fabric.status().ToString();
  EXPECT_EQ(cluster.Difference(*fabric), "") << "and it is no class of its own";
  EXPECT_THAT(fabric->slow_ports, ElementsAre(13));
}

TEST(RecoverFabric, ShowsPairsThatContradictTheRest) {
  SyntheticCluster cluster({.hosts = 8, .ports = 4, .shuffled = false});
  auto samples = Matrix(&cluster, 3);
  for (ProbeSample& sample : samples) {
    // Ports 0 and 4 share a rail; something slows this one pair down.
    if (sample.a == 4 && sample.b == 0) sample.latency_us = 3.4;
  }
  const auto fabric = RecoverFabric(cluster.ports(), samples);
  ASSERT_TRUE(fabric.ok()) << fabric.status().ToString();
  EXPECT_EQ(cluster.Difference(*fabric), "");
  ASSERT_THAT(fabric->contradictions, SizeIs(1));
  EXPECT_EQ(fabric->contradictions[0], (std::pair{0, 4}));
}

TEST(RecoverFabric, SaysWhichPairItNeeds) {
  SyntheticCluster cluster({.hosts = 4, .ports = 4, .shuffled = false});
  auto samples = Matrix(&cluster, 3);
  // Nothing is known of host 3's port 15 but its distance to its own host.
  std::erase_if(samples, [](const ProbeSample& one) { return one.a == 15 && one.b < 12; });
  const auto fabric = RecoverFabric(cluster.ports(), samples);
  ASSERT_FALSE(fabric.ok());
  EXPECT_EQ(fabric.status().code(), base::Code::kFailedPrecondition);
  EXPECT_THAT(fabric.status().message(),
              HasSubstr("whether ports 0 and 15 share a switch; measure these two"));
}

TEST(RecoverFabric, RefusesWhatCannotBe) {
  const std::pair<ProbeSample, const char*> cases[] = {
      {{0, 4, 1, 1}, "between ports 0 and 4; there are 4 ports"},
      {{2, 2, 1, 1}, "between ports 2 and 2"},
      {{-1, 2, 1, 1}, "between ports -1 and 2"},
      {{0, 1, -1, 1}, "between ports 0 and 1 is negative or no finite number"},
      {{0, 1, NAN, 1}, "no finite number"},
      {{0, 1, 1, INFINITY}, "no finite number"},
  };
  for (const auto& [sample, expected] : cases) {
    const auto fabric = RecoverFabric(4, {sample});
    ASSERT_FALSE(fabric.ok());
    EXPECT_EQ(fabric.status().code(), base::Code::kInvalidArgument);
    EXPECT_THAT(fabric.status().message(), HasSubstr(expected));
  }
  EXPECT_THAT(RecoverFabric(4, {}, {.host_keys = {"a"}}).status().message(),
              HasSubstr("1 host keys for 4 ports"));
  EXPECT_EQ(RecoverFabric(0, {}).status().code(), base::Code::kInvalidArgument);
  EXPECT_EQ(RecoverFabric(2, {}).status().code(), base::Code::kFailedPrecondition);
  EXPECT_EQ(RecoverFabric(1, {})->hosts, 1);
}

TEST(ApplyFabric, ReplacesGuessesByWhatWasMeasured) {
  Topology topology;
  std::vector<int> parts;
  for (int host = 0; host < 4; ++host) {
    const int part = topology.Add({.kind = PartKind::kHost, .name = "host"});
    for (int nic = 0; nic < 2; ++nic) {
      // Cabled the other way round than their order says.
      parts.push_back(
          topology.Add({.kind = PartKind::kNic, .name = "nic", .parent = part, .rail = 1 - nic}));
    }
  }
  SyntheticCluster cluster({.hosts = 4, .ports = 2, .shuffled = false});
  const auto fabric = RecoverFabric(cluster.ports(), Matrix(&cluster, 8));
  ASSERT_TRUE(fabric.ok()) << fabric.status().ToString();
  for (int times = 0; times < 2; ++times) {
    ApplyFabric(*fabric, parts, &topology);
    ASSERT_TRUE(Check(topology).ok());
    EXPECT_EQ(topology.parts[parts[5]].rail, 1);
    const auto switches = topology.All(PartKind::kSwitch);
    ASSERT_THAT(switches, SizeIs(2));
    EXPECT_EQ(topology.parts[switches[1]].rail, 1);
    ASSERT_THAT(topology.links, SizeIs(8));
    EXPECT_EQ(topology.links[5].b, switches[1]);
    EXPECT_NEAR(topology.links[5].latency_us, 1.1, 0.1);
    EXPECT_TRUE(topology.links[5].measured);
  }
}

}  // namespace
}  // namespace regatta::topology

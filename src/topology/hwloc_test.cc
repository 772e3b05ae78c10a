#include "topology/hwloc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/testing/fixtures.h"

namespace regatta::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

Topology Read(const std::string& name) {
  auto topology = FromHwlocXml(testing::Fixture(name), name);
  EXPECT_TRUE(topology.ok()) << topology.status().ToString();
  return topology.ok() ? *std::move(topology) : Topology();
}

TEST(FromHwlocXml, ReadsAVirtualMachine) {
  const Topology topology = Read("vm-2-cores.hwloc.xml");
  ASSERT_TRUE(Check(topology).ok());
  const auto sockets = topology.All(PartKind::kSocket);
  ASSERT_THAT(sockets, SizeIs(1));
  EXPECT_EQ(topology.parts[sockets[0]].model, "AMD EPYC");
  const auto numas = topology.All(PartKind::kNuma);
  ASSERT_THAT(numas, SizeIs(1));
  EXPECT_EQ(topology.parts[numas[0]].parent, sockets[0]);
  EXPECT_EQ(topology.parts[numas[0]].bytes, 11771531264);
  const auto caches = topology.All(PartKind::kCache);
  ASSERT_THAT(caches, SizeIs(1));
  EXPECT_EQ(topology.parts[caches[0]].bytes, 32 << 20);
  const auto cores = topology.All(PartKind::kCores);
  ASSERT_THAT(cores, SizeIs(1));
  EXPECT_EQ(topology.parts[cores[0]].cores, 2);
  EXPECT_EQ(topology.parts[cores[0]].cpus, "0-1");
  EXPECT_EQ(topology.parts[cores[0]].extra.at("l2_bytes"), "1048576");
  // The disk is not of interest; the network is, and hangs on the one NUMA node.
  const auto nics = topology.All(PartKind::kNic);
  ASSERT_THAT(nics, SizeIs(1));
  EXPECT_EQ(topology.parts[nics[0]].name, "eth0");
  EXPECT_EQ(topology.parts[nics[0]].bus_id, "0000:00:03.0");
  EXPECT_EQ(topology.Above(nics[0], PartKind::kNuma), numas[0]);
}

TEST(FromHwlocXml, ReadsAnEightGpuMachine) {
  const Topology topology = Read("hgx-h100.hwloc.xml");
  ASSERT_TRUE(Check(topology).ok());
  EXPECT_EQ(topology.parts[0].name, "hgx-0");
  const auto gpus = topology.All(PartKind::kAccelerator);
  const auto nics = topology.All(PartKind::kNic);
  ASSERT_THAT(gpus, SizeIs(8)) << "and the server's display chip is none";
  ASSERT_THAT(nics, SizeIs(8));
  EXPECT_THAT(topology.All(PartKind::kBridge), SizeIs(8)) << "ports are no switches";
  EXPECT_EQ(topology.parts[gpus[5]].model, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(topology.parts[gpus[5]].vendor, "NVIDIA");
  EXPECT_EQ(topology.parts[nics[5]].name, "mlx5_5");
  EXPECT_EQ(topology.parts[nics[5]].extra.at("interface"), "ib5");
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) {
      EXPECT_EQ(DistanceBetween(topology, gpus[i], gpus[j]),
                i == j ? Distance::kLoc : Distance::kNvl);
      EXPECT_EQ(DistanceBetween(topology, gpus[i], nics[j]), i == j           ? Distance::kPix
                                                             : i / 4 == j / 4 ? Distance::kNode
                                                                              : Distance::kSys);
    }
  }
  EXPECT_THAT(topology.All(PartKind::kSwitch), SizeIs(4));
  EXPECT_NEAR(BandwidthBetween(topology, gpus[0], gpus[7]), 450, 1e-9) << "over four switches";
  EXPECT_NEAR(BandwidthBetween(topology, gpus[0], nics[0]), 63.0, 0.1);
  EXPECT_EQ(topology.Above(gpus[7], PartKind::kNuma), topology.All(PartKind::kNuma)[1]);
}

TEST(FromHwlocXml, RefusesWhatIsNone) {
  for (const std::string text :
       {"", "<system/>", "{}", "<topology", "<topology version=\"2.0\"></topology>"}) {
    const auto topology = FromHwlocXml(text, "rack.xml");
    ASSERT_FALSE(topology.ok()) << text;
    EXPECT_EQ(topology.status().code(), base::Code::kInvalidArgument);
    EXPECT_THAT(topology.status().message(), HasSubstr("rack.xml: hwloc does not take it"));
  }
}

}  // namespace
}  // namespace regatta::topology

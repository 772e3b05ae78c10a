#include <gtest/gtest.h>

#include "topology/topology.h"

namespace regatta::topology {
namespace {

// Two sockets; the first has two host bridges. Below the first: switch 1 with GPU 0, NIC 0 and a
// second switch with GPU 1; GPU 2 has a port of its own. Below the second: GPU 3. Socket 1: GPU 4.
class DistanceTest : public ::testing::Test {
 protected:
  int Device(int parent, double speed = 0) {
    const int part =
        topology.Add({.kind = PartKind::kAccelerator, .name = "gpu", .parent = parent});
    topology.links.push_back({part, parent, LinkKind::kPcie, speed});
    return part;
  }
  int Place(PartKind kind, int parent) { return topology.Add({.kind = kind, .parent = parent}); }

  Topology topology;
  int host = topology.Add({.kind = PartKind::kHost});
  int socket0 = Place(PartKind::kSocket, host);
  int numa0 = Place(PartKind::kNuma, socket0);
  int cores0 = Place(PartKind::kCores, numa0);
  int bus0 = Place(PartKind::kHostBridge, numa0);
  int switch1 = Place(PartKind::kBridge, bus0);
  int gpu0 = Device(switch1, 32);
  int nic0 = topology.Add(
      {.kind = PartKind::kNic, .parent = switch1, .rail = 0, .gigabytes_per_second = 25});
  int switch2 = Place(PartKind::kBridge, switch1);
  int gpu1 = Device(switch2, 16);
  int gpu2 = Device(bus0);
  int bus1 = Place(PartKind::kHostBridge, numa0);
  int gpu3 = Device(bus1);
  int socket1 = Place(PartKind::kSocket, host);
  int numa1 = Place(PartKind::kNuma, socket1);
  int bus2 = Place(PartKind::kHostBridge, numa1);
  int gpu4 = Device(bus2);
};

TEST_F(DistanceTest, ClassesAreThoseOfNvidiaSmi) {
  EXPECT_EQ(DistanceBetween(topology, gpu0, gpu0), Distance::kLoc);
  EXPECT_EQ(DistanceBetween(topology, gpu0, nic0), Distance::kPix);
  EXPECT_EQ(DistanceBetween(topology, gpu0, gpu1), Distance::kPxb);
  EXPECT_EQ(DistanceBetween(topology, gpu0, gpu2), Distance::kPhb);
  EXPECT_EQ(DistanceBetween(topology, gpu1, gpu3), Distance::kNode);
  EXPECT_EQ(DistanceBetween(topology, gpu0, gpu4), Distance::kSys);
  for (const int a : {gpu0, gpu1, gpu2, gpu3, gpu4, nic0}) {
    for (const int b : {gpu0, gpu1, gpu2, gpu3, gpu4, nic0}) {
      EXPECT_EQ(DistanceBetween(topology, a, b), DistanceBetween(topology, b, a));
    }
  }
}

TEST_F(DistanceTest, ProcessorsCountAsTheirNumaNode) {
  EXPECT_EQ(DistanceBetween(topology, gpu0, cores0), Distance::kPhb);
  EXPECT_EQ(DistanceBetween(topology, gpu0, numa1), Distance::kSys);
  EXPECT_EQ(DistanceBetween(topology, cores0, numa0), Distance::kNode);
}

TEST_F(DistanceTest, NvlinkWinsOverPcieAlsoThroughASwitch) {
  topology.links.push_back({gpu0, gpu4, LinkKind::kNvlink, 100});
  EXPECT_EQ(DistanceBetween(topology, gpu0, gpu4), Distance::kNvl);
  EXPECT_EQ(BandwidthBetween(topology, gpu4, gpu0), 100);
  const int nvswitch = topology.Add({.kind = PartKind::kSwitch});
  topology.links.push_back({gpu1, nvswitch, LinkKind::kNvlink, 300});
  topology.links.push_back({gpu2, nvswitch, LinkKind::kNvlink, 200});
  EXPECT_EQ(DistanceBetween(topology, gpu1, gpu2), Distance::kNvl);
  EXPECT_EQ(BandwidthBetween(topology, gpu1, gpu2), 200);
  // Two GPUs that both know a third one by NVLink do not reach each other by it.
  topology.links.push_back({gpu3, gpu4, LinkKind::kNvlink, 100});
  EXPECT_EQ(DistanceBetween(topology, gpu0, gpu3), Distance::kNode);
}

TEST_F(DistanceTest, BandwidthIsThatOfTheNarrowestPlace) {
  EXPECT_EQ(BandwidthBetween(topology, gpu0, gpu1), 16);
  EXPECT_EQ(BandwidthBetween(topology, gpu0, nic0), 25);
  EXPECT_EQ(BandwidthBetween(topology, gpu2, gpu3), 0) << "unknown";
}

TEST_F(DistanceTest, AMeasuredLinkCountsBeforeWhatIsWrittenOnThePort) {
  const int other = topology.Add({.kind = PartKind::kHost});
  topology.links.push_back({host, other, LinkKind::kNetwork, 11, 3, 1, true});
  EXPECT_EQ(DistanceBetween(topology, host, other), Distance::kNet);
  EXPECT_EQ(BandwidthBetween(topology, host, other), 11);
}

// Two hosts of two GPUs and two NICs, all at one PCIe switch.
Topology TwoHosts() {
  Topology topology;
  for (const char* name : {"a", "b"}) {
    const int host = topology.Add({.kind = PartKind::kHost, .name = name});
    const int bus = topology.Add({.kind = PartKind::kHostBridge, .parent = host});
    const int bridge = topology.Add({.kind = PartKind::kBridge, .parent = bus});
    for (const PartKind kind : {PartKind::kAccelerator, PartKind::kNic}) {
      for (int i = 0; i < 2; ++i) {
        const int device = topology.Add({.kind = kind, .parent = bridge, .index = i});
        topology.links.push_back({device, bridge, LinkKind::kPcie, 60});
        if (kind != PartKind::kNic) continue;
        topology.parts[device].rail = i;
        topology.parts[device].gigabytes_per_second = 50;
      }
    }
  }
  return topology;
}

TEST(NearestNic, SharesTheNicsOfOneSwitchAmongItsGpus) {
  const Topology topology = TwoHosts();
  const auto gpus = topology.All(PartKind::kAccelerator);
  const auto nics = topology.All(PartKind::kNic);
  EXPECT_EQ(NearestNics(topology, gpus), nics);
  for (std::size_t i = 0; i < gpus.size(); ++i) EXPECT_EQ(NearestNic(topology, gpus[i]), nics[i]);
  EXPECT_EQ(NearestNic(topology, nics[2]), nics[2]);
  EXPECT_EQ(NearestNic(topology, topology.All(PartKind::kHost)[1]), nics[2]);
}

TEST(NearestNic, IsNoneWhereTheHostHasNone) {
  Topology topology;
  const int host = topology.Add({.kind = PartKind::kHost, .name = "a"});
  const int gpu = topology.Add({.kind = PartKind::kAccelerator, .parent = host});
  EXPECT_EQ(NearestNic(topology, gpu), -1);
}

TEST(BandwidthBetween, OfTwoHostsIsThatOfTheirNics) {
  Topology topology = TwoHosts();
  const auto gpus = topology.All(PartKind::kAccelerator);
  const auto nics = topology.All(PartKind::kNic);
  EXPECT_EQ(BandwidthBetween(topology, gpus[0], gpus[2]), 50);
  EXPECT_EQ(LatencyBetween(topology, gpus[0], gpus[2]), 0) << "nothing was measured";
  const int hub = topology.Add({.kind = PartKind::kSwitch, .rail = 0});
  topology.links.push_back({nics[0], hub, LinkKind::kNetwork, 40, 1.5, 1, true});
  topology.links.push_back({nics[2], hub, LinkKind::kNetwork, 10, 2.0, 1, true});
  EXPECT_EQ(BandwidthBetween(topology, gpus[0], gpus[2]), 10);
  EXPECT_EQ(LatencyBetween(topology, gpus[0], gpus[2]), 3.5);
  topology.links.push_back({nics[0], nics[2], LinkKind::kNetwork, 30, 3.0, 1, true});
  EXPECT_EQ(BandwidthBetween(topology, nics[0], nics[2]), 30) << "the pair itself was measured";
  EXPECT_EQ(LatencyBetween(topology, gpus[2], gpus[0]), 3.0);
  EXPECT_EQ(BandwidthBetween(topology, gpus[1], gpus[3]), 50) << "another rail";
}

}  // namespace
}  // namespace regatta::topology

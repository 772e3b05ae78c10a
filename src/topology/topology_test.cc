#include "topology/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta::topology {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(NormalBusId, TakesWhatToolsWrite) {
  EXPECT_EQ(NormalBusId("3B:00.0"), "0000:3b:00.0");
  EXPECT_EQ(NormalBusId("00000000:3B:00.0"), "0000:3b:00.0");
  EXPECT_EQ(NormalBusId("10000:e1:1f.7"), "10000:e1:1f.7");
}

TEST(NormalBusId, GivesNothingForWhatIsNoAddress) {
  for (const char* text : {"", "virtio2", "0000:00", "0000:00:00", "0000:100:00.0", "0000:00:20.0",
                           "0000:00:0g.0", "0:0:0:0.0", "123456789:00:00.0"}) {
    EXPECT_EQ(NormalBusId(text), "") << text;
  }
}

TEST(Topology, FindsPartsAboveAndBelow) {
  Topology topology;
  const int host = topology.Add({.kind = PartKind::kHost, .name = "a"});
  const int socket = topology.Add({.kind = PartKind::kSocket, .name = "socket 0", .parent = host});
  const int nic = topology.Add(
      {.kind = PartKind::kNic, .name = "eth0", .parent = socket, .bus_id = "0000:01:00.0"});
  EXPECT_THAT(topology.ChildrenOf(host), ElementsAre(socket));
  EXPECT_EQ(topology.Above(nic, PartKind::kHost), host);
  EXPECT_EQ(topology.Above(nic, PartKind::kNuma), -1);
  EXPECT_EQ(topology.FindBusId("01:00.0"), nic);
  EXPECT_EQ(topology.FindBusId("02:00.0"), -1);
}

TEST(Check, SaysWhatIsWrong) {
  Topology topology;
  topology.Add({.kind = PartKind::kHost, .name = "a"});
  EXPECT_TRUE(Check(topology).ok());
  topology.links.push_back({0, 5});
  EXPECT_THAT(Check(topology).message(), HasSubstr("a link from part 0 to part 5"));
  topology.links.clear();
  topology.Add({.kind = PartKind::kNic, .name = "eth0", .parent = 1});
  EXPECT_THAT(Check(topology).message(), HasSubstr("\"eth0\""));
  topology.parts[1].parent = -1;
  EXPECT_THAT(Check(topology).message(), HasSubstr("must have a parent"));
}

TEST(Append, KeepsBothHostsApart) {
  Topology one;
  const int host = one.Add({.kind = PartKind::kHost, .name = "a"});
  const int gpu = one.Add({.kind = PartKind::kAccelerator, .name = "GPU 0", .parent = host});
  one.links.push_back({gpu, host, LinkKind::kPcie, 32});
  one.notes = {"something"};
  Topology both;
  Append(one, &both);
  one.parts[0].name = "b";
  Append(one, &both);
  ASSERT_TRUE(Check(both).ok());
  EXPECT_EQ(both.parts.size(), 4U);
  EXPECT_EQ(both.links[1].a, 3);
  EXPECT_EQ(DistanceBetween(both, 1, 3), Distance::kNet);
  EXPECT_THAT(both.notes, ElementsAre("a: something", "b: something"));
}

TEST(ToJson, ListsPartsLinksAndDistances) {
  Topology topology;
  const int host = topology.Add({.kind = PartKind::kHost, .name = "a"});
  const int bridge = topology.Add({.kind = PartKind::kHostBridge, .name = "bus", .parent = host});
  const int gpu =
      topology.Add({.kind = PartKind::kAccelerator, .name = "GPU 0", .parent = bridge, .index = 0});
  const int nic =
      topology.Add({.kind = PartKind::kNic, .name = "mlx5_0", .parent = bridge, .rail = 3});
  topology.links.push_back({gpu, bridge, LinkKind::kPcie, 31.5});
  topology.limits = {.cgroup_version = 2, .cpus = 1.5};
  topology.notes = {"a note"};
  const base::Json json = ToJson(topology);
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["parts"][gpu]["kind"], "accelerator");
  EXPECT_EQ(json["parts"][nic]["rail"], 3);
  EXPECT_EQ(json["links"][0]["gigabytes_per_second"], 31.5);
  EXPECT_EQ(json["distances"]["parts"], base::Json({gpu, nic}));
  EXPECT_EQ(json["distances"]["classes"], base::Json::parse(R"([["LOC","PHB"],["PHB","LOC"]])"));
  EXPECT_EQ(json["limits"], base::Json::parse(R"({"cgroup_version":2,"cpus":1.5})"));
  EXPECT_EQ(json["notes"][0], "a note");
}

}  // namespace
}  // namespace regatta::topology

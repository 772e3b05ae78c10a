#include "topology/mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "topology/detect.h"
#include "topology/testing/fixtures.h"

namespace regatta::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Cluster Machines(const std::string& file, int copies) {
  const auto topology = ReadTopologyFile(testing::FixturePath(file));
  EXPECT_TRUE(topology.ok()) << topology.status().ToString();
  auto cluster = ClusterFrom(*topology, {.copies = copies});
  EXPECT_TRUE(cluster.ok()) << cluster.status().ToString();
  return *std::move(cluster);
}

Layout Parse(const std::string& text) {
  auto layout = ParseLayout(text);
  EXPECT_TRUE(layout.ok()) << layout.status().ToString();
  return *std::move(layout);
}

Mapping Map(const Cluster& cluster, const Layout& layout) {
  auto mapping = MapRanks(cluster, layout);
  EXPECT_TRUE(mapping.ok()) << mapping.status().ToString();
  return *std::move(mapping);
}

const Slot& SlotOf(const Cluster& cluster, const Mapping& mapping, int rank) {
  return cluster
      .slots[static_cast<std::size_t>(mapping.slot_of_rank[static_cast<std::size_t>(rank)])];
}

TEST(ParseLayout, TakesShortAndLongNames) {
  const Layout layout = Parse("tensor=8,pp=2,data=4,fsdp=2,ep=1");
  ASSERT_THAT(layout, SizeIs(5));
  EXPECT_EQ(layout[0].name, "tp");
  EXPECT_EQ(layout[2].name, "dp");
  EXPECT_EQ(layout[3].name, "sharding");
  EXPECT_EQ(layout[1].pattern, Pattern::kPointToPoint);
  EXPECT_EQ(WorldSize(layout), 128);
}

TEST(ParseLayout, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "\"\" has no size"},
      {"tp", "\"tp\" has no size; it is written as tp=8"},
      {"tp=0", "\"tp=0\" has no size from 1"},
      {"tp=8x", "has no size from 1"},
      {"tp=8,", "\"\" has no size"},
      {"tensr=8", "(did you mean \"tensor\"?)"},
      {"tp=2,dp=2,tensor=4", "\"tensor=4\" is there twice"},
      {"tp=1048576,dp=2", "\"dp=2\" makes more than 1048576 ranks"},
  };
  for (const auto& [text, expected] : cases) {
    const auto layout = ParseLayout(text);
    ASSERT_FALSE(layout.ok()) << text;
    EXPECT_EQ(layout.status().code(), base::Code::kInvalidArgument);
    EXPECT_THAT(layout.status().message(), HasSubstr(expected));
  }
}

TEST(ClusterFrom, GivesEachCardItsNicAndRail) {
  const Cluster cluster = Machines("dgx-a100.nccl.xml", 2);
  ASSERT_THAT(cluster.hosts, SizeIs(2));
  ASSERT_THAT(cluster.slots, SizeIs(16));
  std::set<int> rails;
  for (int i = 0; i < 8; ++i) {
    rails.insert(cluster.slots[i].rail);
    EXPECT_EQ(cluster.slots[i].rail, cluster.slots[i + 8].rail);
    EXPECT_EQ(cluster.slots[i].network_gigabytes_per_second, 25);
  }
  EXPECT_THAT(rails, SizeIs(8)) << "two cards below a switch share none of its two NICs";
  EXPECT_EQ(cluster.Between(0, 7).distance, Distance::kNvl);
  EXPECT_EQ(cluster.Between(0, 8).gigabytes_per_second, 25);
  EXPECT_EQ(cluster.Between(0, 9).gigabytes_per_second, 12.5) << "another rail";
  EXPECT_THAT(cluster.notes, IsEmpty());
}

TEST(ClusterFrom, SharesOneNicAndSaysWhatItAssumes) {
  const auto topology = ReadTopologyFile(testing::FixturePath("vm-2-cores.hwloc.xml"));
  ASSERT_TRUE(topology.ok());
  const auto none = ClusterFrom(*topology);
  EXPECT_EQ(none.status().code(), base::Code::kFailedPrecondition);
  EXPECT_THAT(none.status().message(), HasSubstr("host \"vm\" has no accelerator"));
  const auto cluster = ClusterFrom(*topology, {.copies = 2, .devices = 4});
  ASSERT_TRUE(cluster.ok());
  EXPECT_EQ(cluster->Between(0, 4).gigabytes_per_second, 12.5 / 4);
  EXPECT_THAT(cluster->notes, SizeIs(2));
}

TEST(ClusterFrom, PutsHostsOfOnePodSideBySide) {
  Topology topology;
  std::vector<int> nics;
  for (int i = 0; i < 4; ++i) {
    const int host = topology.Add({.kind = PartKind::kHost, .name = std::to_string(i)});
    nics.push_back(topology.Add({.kind = PartKind::kNic, .name = "nic", .parent = host}));
  }
  for (int i = 0; i < 2; ++i) {
    const int hub = topology.Add({.kind = PartKind::kSwitch, .name = "switch"});
    for (int host = i; host < 4; host += 2) {
      topology.links.push_back({nics[host], hub, LinkKind::kNetwork, 25});
    }
  }
  const auto cluster = ClusterFrom(topology, {.devices = 1});
  ASSERT_TRUE(cluster.ok());
  EXPECT_EQ(cluster->hosts[1].name, "2");
  EXPECT_EQ(cluster->slots[0].pod, cluster->slots[1].pod);
  EXPECT_NE(cluster->slots[1].pod, cluster->slots[2].pod);
  EXPECT_GT(cluster->Between(0, 1).gigabytes_per_second,
            cluster->Between(1, 2).gigabytes_per_second);
}

TEST(MapRanks, PutsTensorParallelInsideHostsAndDataOnRails) {
  const Cluster cluster = Machines("hgx-h100.nccl.xml", 8);
  // Naively data-parallel ranks fill the hosts, and tensor-parallel ones are far apart.
  const Layout layout = Parse("dp=4,pp=2,tp=8");
  const Mapping mapping = Map(cluster, layout);
  EXPECT_EQ(mapping.order.front(), "tp");
  for (int rank = 0; rank < 64; ++rank) {
    const int data = rank % 4;
    const int group = rank / 8;  // tp coordinate
    EXPECT_EQ(SlotOf(cluster, mapping, rank).number, group) << "same-number cards: " << rank;
    EXPECT_EQ(SlotOf(cluster, mapping, rank).host, SlotOf(cluster, mapping, rank % 8).host)
        << "one host for each tp group";
    EXPECT_EQ(SlotOf(cluster, mapping, rank).rail, SlotOf(cluster, mapping, rank - data).rail);
  }
  EXPECT_THAT(mapping.dimensions[2].where, HasSubstr("inside each host, over NVLink at"));
  EXPECT_THAT(mapping.dimensions[0].where,
              HasSubstr("same-number cards of 4 hosts, each on its rail at 50 GB/s"));
  EXPECT_GT(mapping.naive_us, 3 * mapping.us);
  EXPECT_THAT(mapping.why, HasSubstr("cheapest of 6 orders of the dimensions: tp (64 GiB a step)"));
}

TEST(MapRanks, EveryRankHasASlotOfItsOwn) {
  const Cluster cluster = Machines("dgx-a100.nccl.xml", 16);
  for (const char* text : {"tp=4,cp=2,pp=4,dp=4", "ep=8,dp=16", "sharding=32,tp=2,pp=2", "tp=1",
                           "tp=3,pp=5,dp=7", "dp=128"}) {
    const Layout layout = Parse(text);
    const Mapping mapping = Map(cluster, layout);
    std::set<int> slots(mapping.slot_of_rank.begin(), mapping.slot_of_rank.end());
    EXPECT_THAT(slots, SizeIs(static_cast<std::size_t>(WorldSize(layout)))) << text;
    EXPECT_EQ(*slots.begin(), 0);
    EXPECT_EQ(*slots.rbegin(), WorldSize(layout) - 1);
    EXPECT_LE(mapping.us, mapping.naive_us) << text;
  }
}

TEST(MapRanks, KeepsTheLayoutsOrderWhereItIsAsGood) {
  const Cluster cluster = Machines("hgx-h100.nccl.xml", 4);
  const Mapping mapping = Map(cluster, Parse("tp=8,dp=4"));
  for (int rank = 0; rank < 32; ++rank) EXPECT_EQ(mapping.slot_of_rank[rank], rank);
  EXPECT_EQ(mapping.us, mapping.naive_us);
  EXPECT_THAT(mapping.why, HasSubstr("ranks in their own order cost the same"));
}

TEST(MapRanks, KeepsTwoTensorGroupsOfAPcieBoxOnTheirSockets) {
  const Cluster cluster = Machines("pcie-8gpu.nccl.xml", 2);
  const Mapping mapping = Map(cluster, Parse("dp=4,tp=4"));
  for (int rank = 0; rank < 16; ++rank) {
    EXPECT_EQ(SlotOf(cluster, mapping, rank).number / 4,
              SlotOf(cluster, mapping, rank % 4).number / 4);
  }
}

TEST(MapRanks, CostsAreThoseOfTheFormulas) {
  const Cluster cluster = Machines("hgx-h100.nccl.xml", 4);
  Layout layout = {{"dp", 32, Pattern::kAllReduce, 8e9, 2}};
  const double inside = 2 * 7 * (2 + 1e9 / (cluster.Between(0, 1).gigabytes_per_second * 1e3));
  const double between = 2 * 3 * (5 + 1e9 / 4 / (50 * 1e3));
  EXPECT_NEAR(Map(cluster, layout).us, 2 * (inside + between), 1e-3);
  layout[0].pattern = Pattern::kAllGather;
  EXPECT_NEAR(Map(cluster, layout).us, inside + between, 1e-3);
  layout[0].pattern = Pattern::kAllToAll;
  // 3 peers on the rail at 50 GB/s, 21 on others at half of it, each 250 MB.
  const double outside = 3 * 0.25e9 / 50e3 + 21 * 0.25e9 / 25e3;
  EXPECT_NEAR(Map(cluster, layout).us, 2 * (7 * 2 + 3 * 5 + 21 * 8 + outside), 1e-3);
  layout[0].pattern = Pattern::kPointToPoint;
  EXPECT_NEAR(Map(cluster, layout).us, 2 * (8 + 8e9 / 25e3), 1e-3)
      << "from the last card of a host to the first of the next";
}

TEST(MapRanks, RefusesMoreRanksThanPlaces) {
  const Cluster cluster = Machines("hgx-h100.nccl.xml", 2);
  const auto mapping = MapRanks(cluster, Parse("tp=8,dp=3"));
  EXPECT_EQ(mapping.status().code(), base::Code::kInvalidArgument);
  EXPECT_THAT(mapping.status().message(),
              HasSubstr("24 ranks, and the cluster has 16 places for them on 2 host(s)"));
}

TEST(MapRanks, ATopologyOfManyHostsIsQuick) {
  const Cluster cluster = Machines("hgx-h100.nccl.xml", 1024);
  const Mapping mapping = Map(cluster, Parse("dp=64,ep=4,tp=8,pp=4"));
  EXPECT_THAT(mapping.slot_of_rank, SizeIs(8192));
  EXPECT_EQ(mapping.order.front(), "tp");
}

TEST(MappingOutput, TellsRanksAndReasons) {
  const Cluster cluster = Machines("hgx-h100.nccl.xml", 2);
  const Layout layout = Parse("dp=2,tp=8");
  const Mapping mapping = Map(cluster, layout);
  const base::Json json = ToJson(mapping, cluster, layout);
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["world_size"], 16);
  EXPECT_EQ(json["order"], base::Json({"tp", "dp"}));
  EXPECT_EQ(json["ranks"][3], base::Json::parse(R"({"rank": 3, "host": "host-1", "device": 1,
      "rail": 1, "coordinates": {"dp": 1, "tp": 1}})"));
  EXPECT_GT(json["dimensions"][1]["naive_us"], json["dimensions"][1]["us"]);
  const std::string text = RenderMapping(mapping, cluster);
  EXPECT_THAT(text, HasSubstr("  host-0:     0     2     4     6     8    10    12    14\n"));
  EXPECT_THAT(text, HasSubstr("  host-1:     1     3"));
  EXPECT_THAT(text, HasSubstr(" times)\n"));
}

}  // namespace
}  // namespace regatta::topology

#include "topology/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/hwloc.h"
#include "topology/nics.h"
#include "topology/testing/fixtures.h"

namespace regatta::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Topology Read(const std::string& name) {
  auto topology = FromHwlocXml(testing::Fixture(name), name);
  EXPECT_TRUE(topology.ok()) << topology.status().ToString();
  return topology.ok() ? *std::move(topology) : Topology();
}

TEST(RenderText, ShowsASmallMachineWhole) {
  Topology topology = Read("vm-2-cores.hwloc.xml");
  GuessRails(&topology);
  topology.limits = {.cgroup_version = 2, .cpus = 1.5, .memory_bytes = std::int64_t{2} << 30};
  topology.notes = {"no accelerator was found"};
  EXPECT_EQ(RenderText(topology, {.unicode = false}), R"(vm
`- socket 0  AMD EPYC
   `- NUMA node 0  11 GiB, processors 0-1
      |- L3 cache  32 MiB
      |  `- 2 cores  2 threads, each L1d 32 KiB, L2 1 MiB
      `- PCIe bus 0000:00
         `- eth0  0000:00:03.0

Limits (cgroup v2): 1.5 processors' time, 2 GiB of memory

Note: no accelerator was found
)");
}

TEST(RenderText, ShowsDistancesWithTheirMeaning) {
  Topology topology = Read("hgx-h100.hwloc.xml");
  const std::string text = RenderText(topology);
  EXPECT_THAT(text, HasSubstr("  GPU 0   .      NVL    NVL "));
  EXPECT_THAT(text, HasSubstr("  GPU 0 to GPU 7 - NVSwitch 3  5 links, 125 GB/s each way\n"));
  EXPECT_THAT(text, HasSubstr("  PIX   through one PCIe switch\n"));
  EXPECT_THAT(text, HasSubstr("  SYS   through the link between NUMA nodes\n"));
  EXPECT_THAT(text, Not(HasSubstr("PXB"))) << "only what occurs is explained";
}

TEST(RenderText, ShowsEqualCachesOnce) {
  Topology topology;
  const int host = topology.Add({.kind = PartKind::kHost, .name = "a"});
  for (int i = 0; i < 16; ++i) {
    const int cache = topology.Add({.kind = PartKind::kCache,
                                    .name = "L3 cache",
                                    .parent = host,
                                    .bytes = 32 << 20,
                                    .level = 3});
    topology.Add(
        {.kind = PartKind::kCores, .name = "8 cores", .parent = cache, .cores = 8, .threads = 16});
  }
  EXPECT_EQ(RenderText(topology), "a\n└─ 16 × L3 cache  32 MiB\n   └─ 8 cores  16 threads\n");
}

TEST(Details, NamesAnAcceleratorOfWhichOnlyTheMakerIsKnown) {
  Topology topology;
  const int host = topology.Add({.kind = PartKind::kHost, .name = "a"});
  const int known = topology.Add({.kind = PartKind::kAccelerator,
                                  .name = "GPU 0",
                                  .parent = host,
                                  .bytes = std::int64_t{80} << 30,
                                  .vendor = "NVIDIA"});
  EXPECT_EQ(Details(topology, known), "NVIDIA, 80 GiB");
  topology.parts[known].model = "NVIDIA H100 80GB HBM3";
  EXPECT_EQ(Details(topology, known), "NVIDIA H100 80GB HBM3, 80 GiB");
  topology.parts[known].model = "H100 SXM5";
  EXPECT_EQ(Details(topology, known), "NVIDIA H100 SXM5, 80 GiB");
  topology.parts[known].vendor.clear();
  EXPECT_EQ(Details(topology, known), "H100 SXM5, 80 GiB");
}

TEST(BytesText, RoundsToWhatPeopleRead) {
  EXPECT_EQ(BytesText(512), "512 B");
  EXPECT_EQ(BytesText(1536), "1.5 KiB");
  EXPECT_EQ(BytesText(std::int64_t{80} << 30), "80 GiB");
}

}  // namespace
}  // namespace regatta::topology

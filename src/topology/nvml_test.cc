#include "topology/nvml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace regatta::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class NvmlTest : public ::testing::Test {
 protected:
  void TearDown() override { ::unsetenv("FAKE_NVML"); }
  base::Status Ask(const char* mode) {
    ::setenv("FAKE_NVML", mode, 1);
    return AddNvmlDevices(host, &topology, TOPOLOGY_FAKE_NVML);
  }

  Topology topology;
  int host = topology.Add({.kind = PartKind::kHost, .name = "a"});
};

TEST_F(NvmlTest, SaysThatThereIsNoDriver) {
  const base::Status status = AddNvmlDevices(host, &topology, "libnvidia-ml-is-not-here.so.1");
  EXPECT_EQ(status.code(), base::Code::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("no NVIDIA driver"));
  EXPECT_THAT(topology.parts, SizeIs(1));
}

TEST_F(NvmlTest, SaysWhyADriverDoesNotWork) {
  const base::Status status = Ask("broken");
  EXPECT_EQ(status.code(), base::Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("Driver Not Loaded"));
}

TEST_F(NvmlTest, FillsInGpusAndFindsTheSwitch) {
  const int known = topology.Add(
      {.kind = PartKind::kAccelerator, .name = "?", .parent = host, .bus_id = "0000:43:00.0"});
  ASSERT_TRUE(Ask("switch").ok());
  const auto gpus = topology.All(PartKind::kAccelerator);
  ASSERT_THAT(gpus, SizeIs(2));
  EXPECT_EQ(topology.parts[known].name, "GPU 1");
  EXPECT_EQ(topology.parts[known].model, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(topology.parts[known].compute_version, 90);
  EXPECT_EQ(topology.parts[known].bytes, std::int64_t{80} << 30);
  EXPECT_THAT(topology.All(PartKind::kSwitch), SizeIs(1));
  EXPECT_EQ(DistanceBetween(topology, gpus[0], gpus[1]), Distance::kNvl);
  EXPECT_NEAR(BandwidthBetween(topology, gpus[0], gpus[1]), 18 * 20.6, 1e-9);
}

TEST_F(NvmlTest, CountsADirectLinkOnce) {
  ASSERT_TRUE(Ask("direct").ok());
  ASSERT_THAT(topology.links, SizeIs(1));
  EXPECT_EQ(topology.links[0].count, 4);
  EXPECT_EQ(topology.links[0].gigabytes_per_second, 80);
}

TEST_F(NvmlTest, AGpuThatIsLostDoesNotHideTheOthers) {
  ASSERT_TRUE(Ask("lost").ok());
  EXPECT_THAT(topology.All(PartKind::kAccelerator), SizeIs(2));
  ASSERT_THAT(topology.notes, SizeIs(1));
  EXPECT_THAT(topology.notes[0], HasSubstr("GPU 2: GPU is lost"));
}

}  // namespace
}  // namespace regatta::topology

#include "topology/limits.h"

#include <gtest/gtest.h>

#include "topology/testing/fixtures.h"

namespace regatta::topology {
namespace {

TEST(DetectLimits, TakesTheTightestOfV2OnTheWayUp) {
  testing::FakeRoot root;
  root.Write("/proc/self/cgroup", "0::/pod/container\n");
  root.Write("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
  root.Write("/sys/fs/cgroup/pod/cpu.max", "150000 100000\n");
  root.Write("/sys/fs/cgroup/pod/memory.max", "max\n");
  root.Write("/sys/fs/cgroup/pod/container/cpu.max", "400000 100000\n");
  root.Write("/sys/fs/cgroup/pod/container/memory.max", "2147483648\n");
  root.Write("/sys/fs/cgroup/pod/container/cpuset.cpus.effective", "0-3\n");
  root.Write("/sys/devices/system/cpu/online", "0-7\n");
  EXPECT_EQ(DetectLimits(root.path()), (Limits{.cgroup_version = 2,
                                               .cpus = 1.5,
                                               .cpu_list = "0-3",
                                               .memory_bytes = std::int64_t{2} << 30}));
}

TEST(DetectLimits, ReadsV1AndItsWayToSayNone) {
  testing::FakeRoot root;
  root.Write("/proc/self/cgroup",
             "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n3:cpuset:/\n0::/\n");
  // A container sees the host's path, and its own group at the mount.
  root.Write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
  root.Write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  root.Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  root.Write("/sys/fs/cgroup/cpuset/cpuset.cpus", "0-7\n");
  root.Write("/sys/devices/system/cpu/online", "0-7\n");
  EXPECT_EQ(DetectLimits(root.path()), (Limits{.cgroup_version = 1, .cpus = 0.5}));
}

TEST(DetectLimits, IsNoneWhereThereAreNoCgroups) {
  testing::FakeRoot root;
  EXPECT_EQ(DetectLimits(root.path()), Limits());
}

}  // namespace
}  // namespace regatta::topology

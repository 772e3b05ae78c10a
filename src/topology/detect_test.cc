#include "topology/detect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/testing/fixtures.h"

namespace regatta::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(Detect, DescribesTheMachineThatTestsRunOn) {
  const auto topology = Detect();
  ASSERT_TRUE(topology.ok()) << topology.status().ToString();
  EXPECT_TRUE(Check(*topology).ok());
  EXPECT_THAT(topology->All(PartKind::kNuma), Not(IsEmpty()));
  int cores = 0;
  for (const int part : topology->All(PartKind::kCores)) cores += topology->parts[part].cores;
  EXPECT_GT(cores, 0);
}

TEST(ReadTopologyFile, NamesTheFileThatIsMissing) {
  const auto topology = ReadTopologyFile("/nowhere/machine.xml");
  ASSERT_FALSE(topology.ok());
  EXPECT_EQ(topology.status().code(), base::Code::kNotFound);
  EXPECT_THAT(topology.status().message(), HasSubstr("/nowhere/machine.xml"));
}

TEST(ReadTopologyFile, ReadsHwlocXml) {
  const auto topology = ReadTopologyFile(testing::FixturePath("vm-2-cores.hwloc.xml"));
  ASSERT_TRUE(topology.ok()) << topology.status().ToString();
  EXPECT_EQ(topology->parts[0].name, "vm");
}

}  // namespace
}  // namespace regatta::topology

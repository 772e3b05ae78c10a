#include "topology/nics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/testing/fixtures.h"

namespace regatta::topology {
namespace {

using ::testing::SizeIs;

void WriteNic(testing::FakeRoot* root, const std::string& name, const std::string& device,
              const std::string& speed, const std::string& state = "up") {
  root->Write("/sys/class/net/" + name + "/type", "1\n");
  root->Write("/sys/class/net/" + name + "/speed", speed + "\n");
  root->Write("/sys/class/net/" + name + "/operstate", state + "\n");
  if (!device.empty()) root->Link("/sys/class/net/" + name + "/device", device);
}

class NicsTest : public ::testing::Test {
 protected:
  const Part& Named(const std::string& name) {
    for (const Part& part : topology.parts) {
      if (part.name == name) return part;
    }
    static const Part kNone = {.name = "(none)"};
    ADD_FAILURE() << "no part " << name;
    return kNone;
  }

  testing::FakeRoot root;
  Topology topology;
  int host = topology.Add({.kind = PartKind::kHost, .name = "a"});
};

TEST_F(NicsTest, FillsInWhatHwlocHasAndAddsWhatItHasNot) {
  topology.Add({.kind = PartKind::kNic, .name = "ib0", .parent = host, .bus_id = "0000:18:00.0"});
  WriteNic(&root, "ib0", "/sys/devices/pci0000:17/0000:17:01.0/0000:18:00.0", "200000");
  WriteNic(&root, "eth0", "/sys/devices/pci0000:00/0000:00:03.0/virtio2", "-1");
  root.Link("/sys/class/infiniband/mlx5_0/device",
            "/sys/devices/pci0000:17/0000:17:01.0/0000:18:00.0");
  root.Write("/sys/class/infiniband/mlx5_0/ports/1/rate", "400 Gb/sec (4X NDR)\n");
  root.Write("/sys/class/infiniband/mlx5_0/ports/1/state", "4: ACTIVE\n");
  AddNics(host, &topology, root.path());
  ASSERT_THAT(topology.All(PartKind::kNic), SizeIs(2));
  EXPECT_EQ(Named("mlx5_0").gigabytes_per_second, 50);
  EXPECT_EQ(Named("mlx5_0").extra.at("interface"), "ib0");
  EXPECT_EQ(Named("eth0").bus_id, "0000:00:03.0") << "the function below which virtio is";
  EXPECT_EQ(Named("eth0").gigabytes_per_second, 0);
}

TEST_F(NicsTest, ShowsAContainersInterfaceWhereThereIsNoOther) {
  WriteNic(&root, "eth0", "", "10000");
  WriteNic(&root, "gone0", "", "10000", "down");
  root.Write("/sys/class/net/lo/type", "772\n");
  AddNics(host, &topology, root.path());
  ASSERT_THAT(topology.All(PartKind::kNic), SizeIs(1));
  EXPECT_EQ(Named("eth0").extra.at("virtual"), "yes");
  EXPECT_EQ(Named("eth0").gigabytes_per_second, 1.25);
}

TEST_F(NicsTest, RailsFollowTheAddressesOfTheFastNics) {
  const auto add = [&](const std::string& name, const std::string& bus_id, double speed,
                       const std::string& state) {
    topology.Add({.kind = PartKind::kNic,
                  .name = name,
                  .parent = host,
                  .bus_id = bus_id,
                  .gigabytes_per_second = speed,
                  .extra = {{"state", state}}});
  };
  add("late", "0000:d8:00.0", 25, "up");
  add("dead", "0000:01:00.0", 25, "down");
  add("slow", "0000:00:03.0", 1.25, "up");
  add("early", "0000:18:00.0", 25, "up");
  GuessRails(&topology);
  EXPECT_EQ(Named("early").rail, 0);
  EXPECT_EQ(Named("late").rail, 1);
  EXPECT_EQ(Named("slow").rail, -1);
  EXPECT_EQ(Named("dead").rail, -1);
}

TEST_F(NicsTest, KnownRailsAreNotGuessedAnew) {
  topology.Add(
      {.kind = PartKind::kNic, .name = "b", .parent = host, .bus_id = "0000:18:00.0", .rail = 7});
  topology.Add({.kind = PartKind::kNic, .name = "c", .parent = host, .bus_id = "0000:19:00.0"});
  GuessRails(&topology);
  EXPECT_EQ(Named("b").rail, 7);
  EXPECT_EQ(Named("c").rail, -1);
}

}  // namespace
}  // namespace regatta::topology

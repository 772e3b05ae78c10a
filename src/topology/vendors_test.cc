#include "topology/vendors.h"

#include <gtest/gtest.h>

namespace regatta::topology {
namespace {

TEST(CleanName, DropsWhatSystemsLeaveAroundNames) {
  EXPECT_EQ(CleanName("AMD EPYC 7742 64-Core Processor                "),
            "AMD EPYC 7742 64-Core Processor");
  EXPECT_EQ(CleanName("NVIDIA ,"), "NVIDIA");
  EXPECT_EQ(CleanName("\t Intel(R)  Xeon(R)\n"), "Intel(R) Xeon(R)");
  EXPECT_EQ(CleanName(", "), "");
  EXPECT_EQ(CleanName(""), "");
  EXPECT_EQ(CleanName("Habana Labs, Ltd."), "Habana Labs, Ltd.") << "commas inside are the name's";
}

TEST(RoleOf, TellsAcceleratorsFromDisplayChips) {
  EXPECT_EQ(RoleOf(0x0302, 0x10de, false), PciRole::kAccelerator);
  EXPECT_EQ(RoleOf(0x0300, 0x1a03, false), PciRole::kOther) << "ASPEED's";
  EXPECT_EQ(RoleOf(0x0300, 0x8086, true), PciRole::kOther) << "Intel's own graphics";
  EXPECT_EQ(RoleOf(0x1200, 0xffff, false), PciRole::kAccelerator) << "whoever made it";
  EXPECT_EQ(RoleOf(0x0207, 0x15b3, false), PciRole::kNic);
}

}  // namespace
}  // namespace regatta::topology

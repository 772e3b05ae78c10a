#include "topology/cpu_list.h"

#include <gtest/gtest.h>

namespace regatta::topology {
namespace {

TEST(CpuList, GoesFromMaskToListAndBack) {
  const std::pair<const char*, const char*> cases[] = {{"00000001", "0"},
                                                       {"0000010f", "0-3,8"},
                                                       {"80000000,00000001", "0,63"},
                                                       {"ffffffff,ffffffff", "0-63"}};
  for (const auto& [mask, list] : cases) {
    EXPECT_EQ(CpuListFromMask(mask), list);
    EXPECT_EQ(MaskFromCpuList(list), mask);
  }
  EXPECT_EQ(CpuListFromMask("0"), "");
}

TEST(CpuList, RefusesWhatIsNone) {
  for (const char* mask : {"", "xyz", "1,,1", "123456789", "1 "})
    EXPECT_FALSE(CpuListFromMask(mask)) << mask;
  for (const char* list : {"a", "3-1", "-1", "1-", "0-99999999", "1,"})
    EXPECT_EQ(MaskFromCpuList(list), "") << list;
}

}  // namespace
}  // namespace regatta::topology

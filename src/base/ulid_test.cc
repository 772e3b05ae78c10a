#include "base/ulid.h"

#include <gtest/gtest.h>

#include <set>

namespace regatta::base {
namespace {

TEST(Ulid, SortsByTimeAndKeepsIt) {
  const Micros time = 1'795'471'255'123'000;
  const std::string earlier = NewUlidAt(time);
  const std::string later = NewUlidAt(time + 1000);
  EXPECT_LT(earlier, later);
  EXPECT_EQ(TimeOfUlid(earlier), time);
  EXPECT_TRUE(IsUlid(earlier)) << earlier;
}

TEST(Ulid, IncreasesWithinOneMillisecond) {
  std::string before = NewUlidAt(5'000'000);
  std::set<std::string> seen = {before};
  for (int i = 0; i < 10'000; ++i) {
    const std::string next = NewUlidAt(5'000'000);
    EXPECT_TRUE(seen.insert(next).second);
    before = next;
  }
}

TEST(Ulid, RefusesWhatIsNone) {
  EXPECT_FALSE(IsUlid(""));
  EXPECT_FALSE(IsUlid("01JDG0000000000000000000000"));
  EXPECT_FALSE(IsUlid("01JDG000000000000000000000"));  // upper case
  EXPECT_FALSE(IsUlid("81jdg000000000000000000000"));  // over 128 bits
  EXPECT_FALSE(IsUlid("01jdg00000000000000000000u"));  // not in the alphabet
  EXPECT_TRUE(IsUlid("01jdg000000000000000000000"));
}

}  // namespace
}  // namespace regatta::base

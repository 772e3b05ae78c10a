#include "net/range.h"

#include <gtest/gtest.h>

namespace regatta::net {
namespace {

TEST(Range, FollowsRfc9110) {
  struct Case {
    const char* header;
    std::int64_t size;
    std::int64_t offset;
    std::int64_t length;
  };
  for (const Case& c :
       {Case{"bytes=0-4", 10, 0, 5}, Case{"bytes=5-", 10, 5, 5}, Case{"bytes=-3", 10, 7, 3},
        Case{"bytes=-30", 10, 0, 10}, Case{"bytes=8-100", 10, 8, 2}}) {
    const RangeRequest parsed = ParseRange(c.header, c.size);
    ASSERT_TRUE(parsed.range) << c.header;
    EXPECT_EQ(parsed.range->offset, c.offset) << c.header;
    EXPECT_EQ(parsed.range->size, c.length) << c.header;
  }
}

TEST(Range, IgnoresBrokenFormsAndRefusesWhatLiesOutside) {
  for (const char* header : {"items=0-1", "bytes=4-2", "bytes=a-b", "bytes=0-1,3-4", "bytes=", "",
                             "bytes=+1-2", "bytes=--1"}) {
    const RangeRequest parsed = ParseRange(header, 10);
    EXPECT_FALSE(parsed.range) << header;
    EXPECT_FALSE(parsed.unsatisfiable) << header;
  }
  EXPECT_TRUE(ParseRange("bytes=10-", 10).unsatisfiable);
  EXPECT_TRUE(ParseRange("bytes=-0", 10).unsatisfiable);
  EXPECT_TRUE(ParseRange("bytes=-5", 0).unsatisfiable);
}

}  // namespace
}  // namespace regatta::net

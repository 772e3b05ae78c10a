#include "base/clock.h"

#include <gtest/gtest.h>

namespace regatta::base {
namespace {

TEST(Clock, WritesAndReadsRfc3339) {
  const Micros time = 1'795'471'255'123'456;
  EXPECT_EQ(FormatRfc3339(time), "2026-11-23T22:00:55.123456Z");
  EXPECT_EQ(*ParseRfc3339("2026-11-23T22:00:55.123456Z"), time);
  EXPECT_EQ(*ParseRfc3339("2026-11-23T22:00:55Z"), time - 123'456);
  EXPECT_EQ(FormatRfc3339(-1), "1969-12-31T23:59:59.999999Z");
}

TEST(Clock, RefusesWhatIsNoUtcTime) {
  for (const char* text : {"", "yesterday", "2026-02-31T00:00:00Z", "2026-11-23T22:00:55",
                           "2026-11-23T22:00:55+01:00", "2026-11-23T22:00:55.1Zx"}) {
    EXPECT_EQ(ParseRfc3339(text).status().code(), Code::kInvalidArgument) << text;
  }
}

TEST(Clock, FormatsDurationsForPeople) {
  EXPECT_EQ(FormatDuration(850'000), "850 ms");
  EXPECT_EQ(FormatDuration(12'340'000), "12.3 s");
  EXPECT_EQ(FormatDuration(245'000'000), "4 m 05 s");
  EXPECT_EQ(FormatDuration(7'860'000'000), "2 h 11 m");
  EXPECT_EQ(FormatDuration(-5), "0 ms");
}

}  // namespace
}  // namespace regatta::base

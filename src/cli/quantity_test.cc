#include "cli/quantity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta::cli {
namespace {

using testing::HasSubstr;

TEST(Quantity, ReadsSizes) {
  EXPECT_EQ(*ReadBytes("8"), 8u);
  EXPECT_EQ(*ReadBytes("64MiB"), 64u << 20);
  EXPECT_EQ(*ReadBytes("1.5 kB"), 1500u);
  for (const char* wrong :
       {"", "MiB", "-1", "8 bytes", "1e30GiB", "99999999999999999999", "1..2"}) {
    EXPECT_THAT(std::string(ReadBytes(wrong).status().message()), HasSubstr("is not a size"));
  }
}

TEST(Quantity, ReadsDurationsAndBandwidths) {
  EXPECT_DOUBLE_EQ(*ReadDuration("30us"), 30e-6);
  EXPECT_DOUBLE_EQ(*ReadDuration("1.5ms"), 1.5e-3);
  EXPECT_DOUBLE_EQ(*ReadDuration("0ns"), 0);
  EXPECT_DOUBLE_EQ(*ReadRate("25Gbit/s"), 25e9 / 8);
  EXPECT_DOUBLE_EQ(*ReadRate("10GB/s"), 10e9);
  for (const char* wrong : {"30", "us", "30min"}) {
    EXPECT_THAT(std::string(ReadDuration(wrong).status().message()), HasSubstr("like 30us"));
  }
  for (const char* wrong : {"25Gbit", "0GB/s", "GB/s", "fast"}) {
    EXPECT_THAT(std::string(ReadRate(wrong).status().message()), HasSubstr("like 25Gbit/s"));
  }
}

TEST(Quantity, WritesDurationsWithThreeDigits) {
  EXPECT_EQ(DurationText(0), "0 ns");
  EXPECT_EQ(DurationText(512e-9), "512 ns");
  EXPECT_EQ(DurationText(999.9e-9), "1 us");
  EXPECT_EQ(DurationText(12.345e-6), "12.3 us");
  EXPECT_EQ(DurationText(3.214e-3), "3.21 ms");
  EXPECT_EQ(DurationText(1.5), "1.50 s");
  EXPECT_EQ(DurationText(1234), "1234 s");
}

}  // namespace
}  // namespace regatta::cli

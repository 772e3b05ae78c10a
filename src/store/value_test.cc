#include "store/value.h"

#include <gtest/gtest.h>

namespace regatta::store {
namespace {

TEST(Row, ReadsWhatItHolds) {
  const Row row({Value(std::int64_t{7}), Value(2.5), Value("text"), kNull});
  EXPECT_EQ(row.Int(0), 7);
  EXPECT_EQ(row.Real(1), 2.5);
  EXPECT_EQ(row.Text(2), "text");
  EXPECT_EQ(row.View(2), "text");
  EXPECT_TRUE(row.IsNull(3));
  EXPECT_TRUE(row.Bool(0));
}

TEST(Row, ConvertsBetweenNumbersAndText) {
  const Row row({Value(std::int64_t{-7}), Value(0.1), Value("12")});
  EXPECT_EQ(row.Text(0), "-7");
  EXPECT_EQ(row.Real(0), -7.0);
  EXPECT_EQ(row.Text(1), "0.1");
  EXPECT_EQ(row.Int(1), 0);
  EXPECT_EQ(row.Int(2), 12);
  EXPECT_EQ(row.View(0), "");
}

TEST(Row, TellsNullFromZeroOnlyThroughOpt) {
  const Row row({kNull, Value(std::int64_t{0}), Value("")});
  EXPECT_EQ(row.Int(0), 0);
  EXPECT_EQ(row.Text(0), "");
  EXPECT_EQ(row.OptInt(0), std::nullopt);
  EXPECT_EQ(row.OptReal(0), std::nullopt);
  EXPECT_EQ(row.OptText(0), std::nullopt);
  EXPECT_EQ(row.OptInt(1), 0);
  EXPECT_EQ(row.OptText(2), "");
}

TEST(Row, AColumnBeyondTheLastReadsAsNull) {
  const Row row({Value("only")});
  EXPECT_TRUE(row.IsNull(1));
  EXPECT_EQ(row.Int(1), 0);
  EXPECT_EQ(row.OptText(9), std::nullopt);
}

TEST(Value, TakesIntegersBooleansAndLiterals) {
  EXPECT_EQ(Value(3), Value(std::int64_t{3}));
  EXPECT_EQ(std::get<std::string>(Value("x")), "x");
  EXPECT_EQ(OrNull(std::optional<std::string>()), kNull);
  EXPECT_EQ(OrNull(std::optional<std::int64_t>(4)), Value(4));
}

}  // namespace
}  // namespace regatta::store

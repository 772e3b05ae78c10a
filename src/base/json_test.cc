#include "base/json.h"

#include <gtest/gtest.h>

namespace regatta::base {
namespace {

TEST(Json, ParsesWithinLimits) {
  const auto json = ParseJson(R"({"a": [1, {"b": "}]"}]})");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ((*json)["a"][1]["b"], "}]");
}

TEST(Json, SaysWhereASyntaxErrorIs) {
  const Status status = ParseJson("{\n  \"a\": ?\n}").status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message(), "not valid JSON at line 2, column 8");
}

TEST(Json, RefusesNumbersOutOfRange) {
  for (const char* text : {"1e400", "[-1e999]", "{\"a\": 1e400}"}) {
    const Status status = ParseJson(text).status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << text;
    EXPECT_EQ(status.message(), "a number in this JSON is out of range") << text;
  }
  EXPECT_TRUE(ParseJson("1e308").ok());
}

TEST(Json, RefusesDepthAndSizeBeforeBuilding) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_EQ(ParseJson(deep).status().code(), Code::kOutOfRange);
  EXPECT_EQ(ParseJson("[1]", {.bytes = 2}).status().code(), Code::kOutOfRange);
  EXPECT_TRUE(ParseJson("[[1]]", {.depth = 2}).ok());
  EXPECT_FALSE(ParseJson("[[[1]]]", {.depth = 2}).ok());
}

TEST(Json, DumpsInvalidUtf8AsReplacement) {
  EXPECT_EQ(DumpJson(Json{{"a", "\xff"}}), "{\"a\":\"\xEF\xBF\xBD\"}");
}

}  // namespace
}  // namespace regatta::base

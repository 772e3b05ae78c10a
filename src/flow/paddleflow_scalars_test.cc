#include "flow/paddleflow_scalars.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace regatta::flow {
namespace {

base::Json Read(const std::string& scalar, bool env = false) {
  YamlNode tree;
  std::vector<job::Problem> problems;
  EXPECT_TRUE(
      ReadYaml((env ? "env: {x: " : "y: {x: ") + scalar + "}\n", "p.yaml", {}, &tree, &problems))
      << scalar;
  ReadScalarsAsPaddleFlow(&tree);
  return tree.members[0].value.members[0].value.Value();
}

TEST(PaddleFlowScalars, AreThoseOfYaml11ThroughJson) {
  const std::vector<std::pair<std::string, base::Json>> cases = {
      {"yes", true},    {"On", true},
      {"n", false},     {"OFF", false},
      {"yEs", "yEs"},   {"\"yes\"", "yes"},
      {"true", true},   {"~", nullptr},
      {"012", 10},      {"-012", -10},
      {"0o14", 12},     {"08", 8},  // no octal number, so a float
      {"0x1F", 31},     {"-0x1F", -31},
      {"0b101", 5},     {"0", 0},
      {"1_000", 1000},  {"_1", "_1"},
      {"+5", 5},        {".5", 0.5},
      {"1e3", 1000},    {"1.50", 1.5},
      {"3.0", 3},       {"1e21", 1e21},
      {"1_0.5", 10.5},  {"2024-01-31", "2024-01-31"},
      {"1:30", "1:30"}, {"9223372036854775807", INT64_MAX},
      {"-", "-"},       {"1-2", "1-2"},
  };
  for (const auto& [scalar, value] : cases) {
    EXPECT_EQ(Read(scalar), value) << scalar;
    EXPECT_EQ(Read(scalar).type(), base::Json(value).type()) << scalar;
  }
  EXPECT_TRUE(Read("99999999999999999999").is_discarded());  // told as out of range
  EXPECT_EQ(Read("1.0", true).type(), base::Json(1.0).type());
  EXPECT_EQ(Read("012", true), 10);
}

}  // namespace
}  // namespace regatta::flow

#include "flow/condition_paddleflow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace regatta::flow {
namespace {

using ::testing::HasSubstr;

TEST(PaddleFlowCondition, ComputesAsItsLibraryDoes) {
  const std::vector<std::pair<std::string, bool>> cases = {
      {"10 > 9", true},
      {"'10' > '9'", false},
      {"abc < def", true},
      {"abc == 'abc'", true},
      {"1 == '1'", false},  // of two types
      {"true == 'true'", false},
      {"1 != one", true},
      {"1.50 == 1.5", true},
      {"0x1F == 31", true},
      {"-2 ** 2 == 4", true},  // the sign binds tighter
      {"2 ** 3 ** 2 == 64", true},
      {"10 - 3 - 2 == 5", true},
      {"100 / 10 / 5 == 2", true},
      {"1 + 2 * 3 == 7", true},
      {"(1 + 2) * 3 == 9", true},
      {"1 | 2 + 4 == 7", true},
      {"1 + 1 << 2 == 8", true},
      {"5 & 3 == 1", true},
      {"5 ^ 1 == 4", true},
      {"~0 == -1", true},
      {"7 % 4 == 3", true},
      {"1 / 0 > 1000", true},  // infinite
      {"a + b == ab", true},
      {"n + 1 == 'n1'", true},
      {"1000000 + x == '1e+06x'", true},
      {"2 in (1, 2, 3)", true},
      {"a IN (b, c)", false},
      {"'2' in (1, 2)", false},
      {"true ? 1 == 1 : 1 == 2", true},
      {"(false ? 1 : 2) == 2", true},
      {"(1 == 2 ? a : b) == b", true},
      {"(false ? 1 : false) || true", true},
      {"1 > 2 || 3 > 2 && false", false},
      {"true || a > 1", true},  // the right side is not looked at
      {"false && !a", false},
      {"!(1 > 2)", true},
      {"!true == false", true},
      {"1 < 2 == true", true},
      {"[a b] == 'a b'", true},
      {"run\\-1 == 'run-1'", true},
      {"'a\\'b' == \"a\\'b\"", true},
      {"\"a' == 'a\"", true},  // either mark ends a text
      {"'2024-01-31' < '2024-02-01'", true},
      {"百舸 == '百舸'", true},
  };
  for (const auto& [text, expected] : cases) {
    const auto result = EvaluatePaddleFlowCondition(text);
    ASSERT_TRUE(result.ok()) << text << ": " << result.status();
    EXPECT_EQ(*result, expected) << text;
    EXPECT_TRUE(CheckPaddleFlowConditionSyntax(text).ok()) << text;
  }
}

TEST(PaddleFlowCondition, RefusesTheSyntaxThatItsLibraryDoes) {
  std::string deep(100, '(');
  deep += "1";
  deep.append(100, ')');
  const std::vector<std::pair<std::string, std::string>> cases = {
      {" ", "a value is missing at the end"},
      {"1 >", "character 4: a value is missing at the end"},
      {"1e3 > 1", "character 2: unexpected \"e3 > 1\""},
      {"1.2.3 == 1", "character 1: \"1.2.3\" is no number"},
      {"0x == 1", "\"0x\" is no number"},
      {"v1.2 == a", "character 1: \"v1.2\" has a point; put it in quotes"},
      {"/data/a == b", "character 1: unexpected \"/data/a == b\""},
      {"1 = 1", "there is no operator \"=\""},
      {"1 ==-1", "there is no operator \"==-\""},
      {"!!true", "there is no operator \"!!\""},
      {"_a == 1", "there is no operator \"_\""},
      {"- -1 == 1", "character 3: unexpected"},
      {"a b", "character 3: unexpected \"b\""},
      {"(1 > 2", "\")\" is missing"},
      {"1 > 2)", "unexpected \")\""},
      {"()", "unexpected \")\""},
      {"'a", "the quotation mark is never closed"},
      {"[a", "the bracket is never closed"},
      {"a =~ 'b+'", "\"=~\" is not supported"},
      {std::string(70'000, '1'), "longer than 64 KiB"},
      {deep, "nested deeper than 64 levels"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(std::string(EvaluatePaddleFlowCondition(text).status().message()),
                HasSubstr(message));
    EXPECT_THAT(std::string(CheckPaddleFlowConditionSyntax(text).message()), HasSubstr(message));
  }
}

TEST(PaddleFlowCondition, FailsAtRunTimeOverTypes) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"5", "\"5\" is neither true nor false"},
      {"1, 2", "neither true nor false"},
      {"a > 1", "\">\" needs two numbers or two texts, not \"a\""},
      {"1 < '2'", "\"<\" needs two numbers or two texts, not \"2\""},
      {"true > false", "needs two numbers or two texts, not true"},
      {"run-1 == run", "\"-\" needs numbers, not \"run\""},
      {"!a", "\"!\" needs true or false, not \"a\""},
      {"-a == 1", "\"-\" needs a number, not \"a\""},
      {"1 && true", "\"&&\" needs true or false, not 1"},
      {"a ? true : false", "\"?\" needs true or false, not \"a\""},
      {"1 in (1)", "\"in\" needs a list, as (1, 2), not 1"},
      {"true + 1 == 2", "\"+\" needs numbers, not true"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(std::string(EvaluatePaddleFlowCondition(text).status().message()),
                HasSubstr(message))
        << text;
    EXPECT_TRUE(CheckPaddleFlowConditionSyntax(text).ok()) << text;
  }
}

// What can be computed has good syntax; nothing ends the program.
TEST(PaddleFlowCondition, SurvivesRandomTexts) {
  constexpr std::string_view kPieces[] = {"1",  "0x1", "a",  "true", "'b'", "\"",  "(",  ")", "[",
                                          "]",  ",",   "in", "==",   "<",   "&&",  "||", "!", "-",
                                          "**", "<<",  "~",  "?",    ":",   "??",  "\\", " ", ".",
                                          "%",  "1e9", "é",  "\xff", "+",   "9e99"};
  std::mt19937 random(11);
  int computed = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string text;
    for (std::size_t n = random() % 12; n > 0; --n) {
      text += kPieces[random() % std::size(kPieces)];
      if (random() % 2 == 0) text += ' ';
    }
    if (!EvaluatePaddleFlowCondition(text).ok()) continue;
    ++computed;
    EXPECT_TRUE(CheckPaddleFlowConditionSyntax(text).ok()) << text;
  }
  EXPECT_GT(computed, 100);
}

TEST(PaddleFlowCondition, ChecksTemplatesAsTheirNames) {
  EXPECT_TRUE(CheckPaddleFlowConditionSyntax("{{num}} > 0 && {{ name }} == x").ok());
  EXPECT_TRUE(CheckPaddleFlowConditionSyntax("model-{{version}} == x").ok());
  EXPECT_FALSE(CheckPaddleFlowConditionSyntax("{{a}} {{b}}").ok());
}

}  // namespace
}  // namespace regatta::flow

#include "flow/condition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

namespace regatta::flow {
namespace {

using ::testing::HasSubstr;

TEST(Condition, ComputesWhatCWould) {
  const std::vector<std::pair<std::string, bool>> cases = {
      {"true", true},
      {"1 < 2", true},
      {"0.951 >= 0.95", true},
      {"0.95\n >= 0.95", true},
      {"10 > 9", true},
      {"\"10\" > \"9\"", false},
      {"1.0 == 1", true},
      {"1e-5 < 0.0001", true},
      {"-1 < 0", true},
      {"1 - -1 == 2", true},
      {"1-1 == 0", true},
      {"2 + 3 * 4 == 14", true},
      {"(2 + 3) * 4 == 20", true},
      {"7 % 4 == 3", true},
      {"1 / 4 == 0.25", true},
      {"a == a", true},
      {"a == \"a\"", true},
      {"run-000032 == run-000032", true},
      {"/data/a.txt != b", true},
      {"10.0.0.1 == 10.0.0.1", true},
      {"!(1 > 2) && !false", true},
      {"!!true", true},
      {"true || 1 / 0 == 1", true},
      {"false && nonsense", false},
      {"true || false && false", true},
      {"1 < 2 == true", true},
      {"\"a\\\"b\" == 'a\"b'", true},
      {"é == é", true},
      {"b > a", true},
  };
  for (const auto& [text, expected] : cases) {
    const auto result = EvaluateCondition(text);
    ASSERT_TRUE(result.ok()) << text << ": " << result.status();
    EXPECT_EQ(*result, expected) << text;
    EXPECT_TRUE(CheckConditionSyntax(text).ok()) << text;
  }
}

TEST(Condition, SaysWhereTheSyntaxIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "character 1: a value is missing at the end"},
      {"1 >", "character 4: a value is missing at the end"},
      {"(1 > 2", "character 7: \")\" is missing"},
      {"1 > 2)", "character 6: unexpected \")\""},
      {"1 > > 2", "character 5: a value is missing before"},
      {"\"a", "character 1: the quotation mark is never closed"},
      {"a b", "character 3: unexpected \"b\""},
      {"1 = 1", "character 3: unexpected \"= 1\""},
      {std::string(100, '(') + "1", "nested deeper than 64 levels"},
      {std::string(100, '!') + "true", "nested deeper than 64 levels"},
      {std::string(70'000, ' '), "longer than 64 KiB"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(std::string(EvaluateCondition(text).status().message()), HasSubstr(message));
    EXPECT_THAT(std::string(CheckConditionSyntax(text).message()), HasSubstr(message));
  }
}

TEST(Condition, RefusesAtRunTimeWhatHasNoTruth) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"1", "neither true nor false"},
      {"yes", "\"yes\" is neither true nor false"},
      {"1 / 0 == 1", "division by zero"},
      {"1 % 0 == 1", "division by zero"},
      {"1 && true", "\"&&\" needs true or false on each side, not \"1\""},
      {"a + 1 == 2", "\"+\" needs numbers, not \"a\""},
      {"!a", "\"!\" needs true or false"},
      {"-a == 1", "\"-\" needs a number, not \"a\""},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(std::string(EvaluateCondition(text).status().message()), HasSubstr(message))
        << text;
    EXPECT_TRUE(CheckConditionSyntax(text).ok()) << text;
  }
}

TEST(Condition, AValueInQuotationMarksStaysOneText) {
  const auto evaluate = [](const std::string& text, const std::string& value) {
    const auto expanded =
        ExpandCondition(text, [&](const TemplateReference&) { return base::Json(value); });
    EXPECT_TRUE(expanded.ok());
    return EvaluateCondition(*expanded);
  };
  for (const std::string value :
       {"it's", "' == '' || '", "\"a\" || true", "\\", "a\\'", "", "{{a}}", "1 > 0"}) {
    for (const std::string mark : {"'", "\""}) {
      EXPECT_EQ(*evaluate(mark + "{{x}}" + mark + " == other", value), false) << value;
      EXPECT_EQ(*evaluate(mark + "<{{x}}>" + mark + " == " + mark + "<{{x}}>" + mark, value), true)
          << value;
    }
    EXPECT_EQ(*evaluate("'\\'' != \"{{x}}\"", value), true) << value;  // after an escaped mark
  }
  EXPECT_EQ(*evaluate("{{x}} > 1 && '{{x}}' == 7", "7"), true);
  EXPECT_EQ(*evaluate("model-{{x}} == model-7", "7"), true);
  EXPECT_EQ(*evaluate("{{x}}", "1 > 0"), true);
}

TEST(Condition, SyntaxTakesATemplateAsOneOperand) {
  for (const char* text :
       {"{{a}} > 1", "{{ a }}=={{b}}", "!({{a}} || {{b}})", "x-{{a}} == x", "{{a}}{{b}} == 1"}) {
    EXPECT_TRUE(CheckConditionSyntax(text).ok()) << text << CheckConditionSyntax(text);
  }
  EXPECT_FALSE(CheckConditionSyntax("{{a}} {{b}}").ok());
  EXPECT_FALSE(CheckConditionSyntax("{{a").ok());
}

// An expression and its value, computed by C++ while the text is made.
std::pair<std::string, double> Arithmetic(std::mt19937& random, int depth) {
  if (depth == 0 || random() % 4 == 0) {
    const int number = static_cast<int>(random() % 100);
    return {std::to_string(number), number};
  }
  const auto [left, a] = Arithmetic(random, depth - 1);
  const auto [right, b] = Arithmetic(random, depth - 1);
  switch (random() % 3) {
    case 0:
      return {"(" + left + " + " + right + ")", a + b};
    case 1:
      return {"(" + left + "-" + right + ")", a - b};
    default:
      return {"(" + left + "*" + right + ")", a * b};
  }
}

TEST(Condition, AgreesWithCppOnRandomArithmetic) {
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    const auto [left, a] = Arithmetic(random, 5);
    const auto [right, b] = Arithmetic(random, 5);
    EXPECT_EQ(*EvaluateCondition(left + " < " + right), a < b) << left << " < " << right;
    EXPECT_EQ(*EvaluateCondition(left + " == " + right + " || " + left + " != " + right), true);
  }
}

}  // namespace
}  // namespace regatta::flow

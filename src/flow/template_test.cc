#include "flow/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

namespace regatta::flow {
namespace {

using ::testing::HasSubstr;

base::Json Value(const std::string& name) {
  const std::map<std::string, base::Json> values = {
      {"lr", 0.1},    {"epochs", 3},  {"name", "digits"}, {"list", {1, "a"}},
      {"tiny", 1e-5}, {"whole", 2.0}, {"huge", 1e21},     {"evil", "{{lr}}"}};
  return values.at(name);
}

absl::StatusOr<base::Json> LookUpIt(const TemplateReference& reference) {
  if (reference.node == "missing") return absl::NotFoundError("no such step");
  return Value(reference.name);
}

TEST(Template, FindsReferencesWithPlacesAndBlanks) {
  const auto found = FindTemplates("a {{ lr }} b {{my-step.out}}{{\tPF_PARENT.x }}");
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->size(), 3u);
  EXPECT_EQ((*found)[0].node, "");
  EXPECT_EQ((*found)[0].name, "lr");
  EXPECT_EQ((*found)[0].begin, 2u);
  EXPECT_EQ((*found)[0].end, 10u);
  EXPECT_EQ((*found)[1].node, "my-step");
  EXPECT_EQ((*found)[1].name, "out");
  EXPECT_EQ((*found)[2].node, "PF_PARENT");
}

TEST(Template, LeavesInPaddleFlowWhatIsNoReference) {
  const auto names = [](std::string_view text) {
    const auto references = FindTemplates(text, TemplateStyle::kPaddleFlow);
    std::string found;
    for (const TemplateReference& reference : references.value()) {
      found += reference.node + "." + reference.name + " ";
    }
    return found;
  };
  EXPECT_EQ(names("{{lr}} {{\n lr }} {{a-b.c}} {{.Names}} {{1x}}"), ".lr .lr a-b.c .Names .1x ");
  EXPECT_EQ(names("{{json .}} {{a.b.c}} {{ {{lr}} }} {{{lr}}} {{a-}} {{}} {{lr"), ".lr .lr ");
  EXPECT_FALSE(HasTemplates("{{json .}}", TemplateStyle::kPaddleFlow));
  EXPECT_TRUE(HasTemplates("{{json .}}"));
  EXPECT_EQ(
      *ExpandText("{{json .}} {{whole}} {{list}} {{huge}}", LookUpIt, TemplateStyle::kPaddleFlow),
      "{{json .}} 2 [1 a] 1000000000000000000000");
  EXPECT_EQ(*Expand("{{whole}}", LookUpIt, TemplateStyle::kPaddleFlow), base::Json(2.0));
}

TEST(Template, PrintsValuesAsGoDoes) {
  const std::vector<std::pair<base::Json, std::string>> cases = {
      {"a", "a"},
      {3, "3"},
      {3.0, "3"},
      {0.1, "0.1"},
      {999999.0, "999999"},
      {1000000.0, "1e+06"},
      {1234567.0, "1.234567e+06"},
      {0.0001, "0.0001"},
      {0.00001, "1e-05"},
      {-2.5e-7, "-2.5e-07"},
      {true, "true"},
      {nullptr, "<nil>"},
      {base::Json::array({1, base::Json::array({"", "a"}), 2.0}), "[1 [ a] 2]"},
      {base::Json::object({{"b", 1}, {"a", "x"}}), "map[a:x b:1]"},
  };
  for (const auto& [value, text] : cases) EXPECT_EQ(GoText(value), text);
}

TEST(Template, RefusesATextThatGrowsTooLong) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "{{x}}";
  const auto look_up = [](std::size_t size) {
    return [size](const TemplateReference&) { return base::Json(std::string(size, 'y')); };
  };
  EXPECT_EQ(ExpandText(text, look_up(1000))->size(), 1'000'000u);
  EXPECT_EQ(ExpandText(text, look_up(1100)).status().message(),
            "with its templates filled in, the text is over 1 MiB");
}

TEST(Template, RefusesBracesThatAreNoReferenceAndQuotesThem) {
  for (const std::string bad : {"{{", "{{}}", "{{ }}", "{{a.b.c}}", "{{1x}}", "{{a-b}}", "{{a b}}",
                                "{{.a}}", "{{a.}}", "{{ a . b }}", "{{a}", "{{{a}}}", "{{é}}"}) {
    const auto found = FindTemplates("x " + bad);
    ASSERT_FALSE(found.ok()) << bad;
    EXPECT_THAT(found.status().message(), HasSubstr(bad.substr(0, 2))) << bad;
    EXPECT_EQ(found.status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(Template, LeavesOtherBracesAlone) {
  for (const std::string good : {"", "{", "}", "}}", "${HOME}", "{ {a} }", "awk '{print $1}'"}) {
    const auto found = FindTemplates(good);
    ASSERT_TRUE(found.ok()) << good;
    EXPECT_TRUE(found->empty());
    EXPECT_EQ(*ExpandText(good, LookUpIt), good);
  }
}

TEST(Template, AWholeReferenceKeepsItsTypeAndMixedTextBecomesText) {
  EXPECT_EQ(*Expand("{{lr}}", LookUpIt), base::Json(0.1));
  EXPECT_TRUE(Expand("{{epochs}}", LookUpIt)->is_number_integer());
  EXPECT_EQ(*Expand("{{list}}", LookUpIt), base::Json({1, "a"}));
  EXPECT_EQ(*Expand(" {{epochs}}", LookUpIt), base::Json(" 3"));
  EXPECT_EQ(*ExpandText("{{lr}}/{{tiny}}/{{list}}/{{name}}", LookUpIt),
            "0.1/0.00001/[1,\"a\"]/digits");
}

TEST(Template, NeverExpandsWhatCameOutOfAValue) {
  EXPECT_EQ(*ExpandText("<{{evil}}>", LookUpIt), "<{{lr}}>");
}

TEST(Template, PassesTheLookUpsErrorOn) {
  EXPECT_EQ(Expand("{{missing.x}}", LookUpIt).status().code(), absl::StatusCode::kNotFound);
}

TEST(Template, ValuesReadWithoutExponent) {
  EXPECT_EQ(ValueText(1e-5), "0.00001");
  EXPECT_EQ(ValueText(2.0), "2.0");
  EXPECT_EQ(ValueText(1e21), "1000000000000000000000.0");
  EXPECT_EQ(ValueText(-7), "-7");
  EXPECT_EQ(ValueText("x y"), "x y");
  EXPECT_EQ(ValueText(std::numeric_limits<double>::denorm_min()).substr(0, 4), "0.00");
  EXPECT_EQ(ValueText(std::numeric_limits<double>::max()).size(), 311u);
  EXPECT_EQ(ValueText(base::Json()), "");
}

}  // namespace
}  // namespace regatta::flow

#include "flow/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <sstream>

namespace regatta::flow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> ProblemsOf(std::string_view yaml, const ParseOptions& options = {}) {
  std::vector<Problem> problems;
  const auto pipeline = ParsePipeline(yaml, options, &problems);
  std::vector<std::string> texts;
  for (const Problem& problem : problems) texts.push_back(problem.ToString());
  EXPECT_EQ(pipeline.ok(), texts.empty());
  if (!texts.empty()) {
    EXPECT_EQ(std::string(pipeline.status().message()), texts.front());
  }
  return texts;
}

TEST(ParsePipeline, ReadsTheDigitsExample) {
  std::ifstream file(REGATTA_SOURCE_DIR "/examples/digits/pipeline.yaml");
  std::ostringstream text;
  text << file.rdbuf();
  std::vector<Problem> problems;
  const auto pipeline = ParsePipeline(text.str(), {}, &problems);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_EQ(pipeline->name, "digits");
  ASSERT_EQ(pipeline->entry_points.size(), 5u);
  const Node& train = *pipeline->entry_points[1];
  EXPECT_EQ(train.name, "train");
  EXPECT_THAT(train.deps, ElementsAre("prepare"));
  ASSERT_TRUE(train.distributed_job);
  EXPECT_EQ(train.distributed_job->members.at(0).replicas, 2);
  EXPECT_EQ(train.distributed_job->members.at(0).flavour.memory_bytes, std::int64_t{1} << 30);
  ASSERT_NE(pipeline->post_process, nullptr);
  EXPECT_EQ(pipeline->post_process->name, "report");
}

TEST(ParsePipeline, KeepsTheTypesOfParameters) {
  const auto pipeline = ParsePipeline(R"(
name: types
entry_points:
  a:
    command: echo
    parameters:
      text: "1"
      whole: 1
      float: 1.5
      small: 1e-5
      list: [1, "a", [2.5]]
      typed: {type: path, default: a/b.c}
      open: {type: int}
    env: {N: 3, F: 0.25}
)",
                                      {}, nullptr);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  const auto& parameters = pipeline->entry_points[0]->parameters;
  EXPECT_EQ(parameters.at("text").value, "1");
  EXPECT_TRUE(parameters.at("whole").value.is_number_integer());
  EXPECT_EQ(parameters.at("small").value, 1e-5);
  EXPECT_EQ(parameters.at("list").value.dump(), R"([1,"a",[2.5]])");
  EXPECT_EQ(parameters.at("typed").type, ParameterType::kPath);
  EXPECT_TRUE(parameters.at("open").value.is_null());
  EXPECT_EQ(pipeline->entry_points[0]->env.at("F"), "0.25");
}

TEST(ParsePipeline, NamesFileLineColumnAndWhatWouldBeRight) {
  EXPECT_THAT(ProblemsOf(R"(name: p
entry_points:
  prepare:
    command: "true"
  train:
    comand: "true"
    deps: prep
)"),
              ElementsAre("pipeline.yaml:6:5: entry_points.train.comand: step has no attribute "
                          "\"comand\" (did you mean \"command\"?)",
                          StartsWith("pipeline.yaml:6:5: entry_points.train.command: is missing"),
                          "pipeline.yaml:7:11: entry_points.train.deps: step \"train\" needs "
                          "\"prep\", which does not exist (did you mean \"prepare\"?)"));
}

struct Bad {
  const char* name;
  std::string yaml;
  std::string expected;  // begin of the first problem
};
void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.name; }

class BadPipeline : public testing::TestWithParam<Bad> {};

TEST_P(BadPipeline, IsRefusedWithItsPlace) {
  const std::vector<std::string> problems = ProblemsOf(GetParam().yaml);
  ASSERT_FALSE(problems.empty());
  EXPECT_THAT(problems.front(), StartsWith(GetParam().expected));
}

std::string Step(const std::string& rest) {
  return "name: p\nentry_points:\n  a: {command: x, parameters: {k: 1}, artifacts: {output: [o]}}\n"
         "  b:\n    command: x\n" +
         rest;
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadPipeline,
    testing::Values(
        Bad{"Empty", "", "pipeline.yaml:1:1: the file is empty"},
        Bad{"Utf8", "name: \xff", "pipeline.yaml:1:7: not UTF-8 text"},
        Bad{"Tab", "name: p\nentry_points:\n\ta: 1", "pipeline.yaml:3:1: a tab in the indentation"},
        Bad{"DuplicateKey", "name: p\nname: q\n", "pipeline.yaml:2:1: the key \"name\""},
        Bad{"Alias", "name: p\nx: &a [1]\n", "pipeline.yaml:2:4: anchors"},
        Bad{"TwoDocuments", "name: p\n---\nname: q\n", "pipeline.yaml:3:1: a second document"},
        Bad{"Deep", "name: " + std::string(5000, '[') + std::string(5000, ']'),
            "pipeline.yaml:1:106: nested deeper than the limit of 100"},
        Bad{"TopLevelList", "[1]", "pipeline.yaml:1:1: a workflow is a map"},
        Bad{"NoSteps", "name: p\n", "pipeline.yaml:1:1: entry_points: is missing"},
        Bad{"BadName", "name: 9p\nentry_points: {a: {command: x}}",
            "pipeline.yaml:1:7: name: \"9p\" is no name"},
        Bad{"StepName", "name: p\nentry_points: {a_b: {command: x}}",
            "pipeline.yaml:2:16: entry_points.a_b: \"a_b\" is no name for a step"},
        Bad{"BoolParameter", Step("    parameters: {x: true}"),
            "pipeline.yaml:6:21: entry_points.b.parameters.x: must be a text, a number or a list, "
            "not the truth value true; put it in quotes"},
        Bad{"BoolEnv", Step("    env: {x: true}"),
            "pipeline.yaml:6:14: entry_points.b.env.x: must"},
        Bad{"SelfDep", Step("    deps: b"),
            "pipeline.yaml:6:11: entry_points.b.deps: step \"b\" needs itself"},
        Bad{"Cycle",
            "name: p\nentry_points:\n  a: {command: x, deps: b}\n  b: {command: x, deps: a}\n",
            "pipeline.yaml:3:3: entry_points.a: steps wait for each other in a circle: a -> b -> "
            "a"},
        Bad{"TypeMismatch", Step("    parameters: {x: {type: int, default: 1.5}}"),
            "pipeline.yaml:6:42: entry_points.b.parameters.x.default: must be a whole number"},
        Bad{"PathWithDots", Step("    parameters: {x: {type: path, default: a/../b}}"),
            "pipeline.yaml:6:43: entry_points.b.parameters.x.default: must be a path"},
        Bad{"NamesClash", Step("    deps: a\n    parameters: {O: 1}\n    artifacts: {output: [o]}"),
            "pipeline.yaml:8:26: entry_points.b.artifacts.output.o: the name \"o\" of this output "
            "is taken by a "
            "parameter"},
        Bad{"ReservedName", Step("    parameters: {PF_X: 1}"),
            "pipeline.yaml:6:18: entry_points.b.parameters.PF_X: \"PF_X\" begins with PF_"},
        Bad{"TemplateToNonDep", Step("    parameters: {x: \"{{a.k}}\"}"),
            "pipeline.yaml:6:18: entry_points.b.parameters.x: step \"b\" uses \"a\" but does not "
            "wait for it"},
        Bad{"ParentAtTop", Step("    parameters: {x: \"{{PF_PARENT.k}}\"}"),
            "pipeline.yaml:6:18: entry_points.b.parameters.x: PF_PARENT has no meaning"},
        Bad{"UnknownOutput", Step("    deps: a\n    artifacts: {input: {i: \"{{a.oo}}\"}}"),
            "pipeline.yaml:7:25: entry_points.b.artifacts.input.i: step \"a\" has no output \"oo\" "
            "(did you mean \"o\"?)"},
        Bad{"UpstreamInCommand", Step("    deps: a\n    env: {x: \"{{a.k}}\"}"),
            "pipeline.yaml:7:10: entry_points.b.env.x: {{a.k}} may not stand here"},
        Bad{"ConditionSyntax", Step("    condition: \"1 >\""),
            "pipeline.yaml:6:16: entry_points.b.condition: "},
        Bad{"LoopText", Step("    loop_argument: \"x {{y}}\""),
            "pipeline.yaml:6:20: entry_points.b.loop_argument: "},
        Bad{"EmptyLoop", Step("    loop_argument: []"),
            "pipeline.yaml:6:20: entry_points.b.loop_argument: is an empty list"},
        Bad{"Strategy", Step("failure_options: {strategy: never}"),
            "pipeline.yaml:6:29: failure_options.strategy: must be fail_fast or continue"},
        Bad{"HugeParallelism", Step("parallelism: 1000000"),
            "pipeline.yaml:6:14: parallelism: must be at most 10000"},
        Bad{"TwoPostProcess", Step("post_process: {c: {command: x}, d: {command: x}}"),
            "pipeline.yaml:6:15: post_process: must be a map of exactly one step"},
        Bad{"PostProcessDeps", Step("post_process: {c: {command: x, deps: a}}"),
            "pipeline.yaml:6:38: post_process.c.deps: "},
        Bad{"DisabledUnknown", Step("disabled: c"),
            "pipeline.yaml:6:11: disabled: there is no step \"c\""},
        Bad{"UseOfDisabled", Step("    deps: a\n    parameters: {x: \"{{a.k}}\"}\ndisabled: a"),
            "pipeline.yaml:7:18: entry_points.b.parameters.x: step \"a\" is disabled"},
        Bad{"Members", Step("    distributed_job: {members: [{role: worker, replicas: 0}]}"),
            "pipeline.yaml:6:58: entry_points.b.distributed_job.members[0].replicas: must be"},
        Bad{"HugeInteger", Step("    parameters: {x: 99999999999999999999}"),
            "pipeline.yaml:6:21: entry_points.b.parameters.x: must be a text, a number or a list, "
            "not the number 99999999999999999999, which is out of range; put it in quotes"},
        Bad{"Infinity", Step("    parameters: {x: .inf}"),
            "pipeline.yaml:6:21: entry_points.b.parameters.x: must be a text, a number or a list, "
            "not the number .inf, which is out of range"},
        Bad{"CommandNumber", "name: p\nentry_points: {a: {command: 5}}",
            "pipeline.yaml:2:29: entry_points.a.command: must be a text, not the number 5"},
        Bad{"CommandEmpty", "name: p\nentry_points: {a: {command: \" \"}}",
            "pipeline.yaml:2:29: entry_points.a.command: is empty"},
        Bad{"ScopeNotMounted",
            "name: p\nfs_options: {main_fs: {name: m}}\n"
            "entry_points:\n  a: {command: x, cache: {fs_scope: [{name: n}]}}",
            "pipeline.yaml:4:38: entry_points.a.cache.fs_scope: the file system \"n\" is not "
            "mounted"},
        Bad{"SnapshotLeaves", Step("    snapshot: {paths: [../x]}"),
            "pipeline.yaml:6:15: entry_points.b.snapshot.paths: \"../x\" must be a path inside"}),
    [](const auto& info) { return info.param.name; });

TEST(ParsePipeline, RefusesExtensionsInCompatibilityMode) {
  EXPECT_THAT(ProblemsOf(Step("    timeout: 30s"), {.paddleflow_compat = true}),
              testing::Contains("pipeline.yaml:6:5: entry_points.b.timeout: step has no attribute "
                                "\"timeout\""));
}

TEST(ParsePipeline, InCompatibilityModeOutputsNeedAFileSystem) {
  const ParseOptions compat{.paddleflow_compat = true};
  EXPECT_THAT(
      ProblemsOf("name: p\nentry_points: {a: {command: x, artifacts: {output: [o]}}}", compat)
          .front(),
      HasSubstr("the output \"o\" needs fs_options.main_fs"));
  EXPECT_THAT(ProblemsOf("name: p\nfs_options: {main_fs: {name: m}}\n"
                         "entry_points: {a: {command: x, artifacts: {output: [o]}}}",
                         compat),
              testing::IsEmpty());
}

TEST(ParsePipeline, TakesANullForAnAbsentKeyAndReadsCrlfAfterAByteOrderMark) {
  const auto pipeline = ParsePipeline(
      "\xEF\xBB\xBFname: p\r\ncache:\r\nentry_points:\r\n  a:\r\n    command: |\r\n      x\r\n     "
      " "
      "y\r\n    deps: ~\r\n    env: {A: null}\r\n    parameters: {p: }\r\n",
      {}, nullptr);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_EQ(pipeline->entry_points[0]->command.shell, "x\ny\n");
  EXPECT_TRUE(pipeline->entry_points[0]->env.empty());
  EXPECT_TRUE(pipeline->entry_points[0]->parameters.empty());
}

TEST(ParsePipeline, KnowsOnlyTheBooleansOfYaml12) {
  const auto pipeline = ParsePipeline(
      "name: p\nentry_points: {a: {command: x, parameters: {a: yes, b: on, c: 0x10, d: 1e3, e: "
      "1_0, "
      "f: 1.2.3}}}",
      {}, nullptr);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  const auto& parameters = pipeline->entry_points[0]->parameters;
  EXPECT_EQ(parameters.at("a").value, base::Json("yes"));
  EXPECT_EQ(parameters.at("b").value, base::Json("on"));
  EXPECT_EQ(parameters.at("c").value, base::Json(16));
  EXPECT_EQ(parameters.at("d").value, base::Json(1000.0));
  EXPECT_EQ(parameters.at("e").value, base::Json("1_0"));
  EXPECT_EQ(parameters.at("f").value, base::Json("1.2.3"));
}

// Half a chain, half a fan-in, with parameters, artifacts and templates: about 2 MB.
std::string ManySteps(int count, const std::string& dep_prefix) {
  std::string yaml = "name: many\nentry_points:\n";
  for (int i = 0; i < count; ++i) {
    const std::string before = dep_prefix + std::to_string(i - 1);
    yaml += "  s" + std::to_string(i) + ":\n    parameters: {rate: 0.1, n: " + std::to_string(i) +
            "}\n    env: {N: \"{{n}}\"}\n    artifacts:\n      output: [out]\n";
    if (i > 0) {
      yaml += "      input: {in: \"{{" + before + ".out}}\"}\n    deps: " + before + "\n";
    }
    yaml += "    command: run --rate {{rate}} --out {{out}}\n";
  }
  return yaml;
}

TEST(ParsePipeline, ReadsTenThousandStepsInTime) {
  const std::string yaml = ManySteps(10'000, "s");
  const auto begin = std::chrono::steady_clock::now();
  const auto pipeline = ParsePipeline(yaml, {}, nullptr);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begin);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_EQ(pipeline->entry_points.size(), 10'000u);
  std::cout << "10,000 steps, " << yaml.size() << " bytes: " << took.count() << " ms\n";
  // The figure is in docs/design/flow.md; this bound only tells quadratic from linear.
  EXPECT_LT(took, std::chrono::seconds(30));
}

TEST(ParsePipeline, IsNotHeldUpByTenThousandMistakes) {
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<std::string> problems = ProblemsOf(ManySteps(10'000, "z"));
  EXPECT_EQ(problems.size(), 1000u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST(ParsePipeline, NamesALongCycleShortly) {
  std::string yaml = "name: p\nentry_points:\n";
  for (int i = 0; i < 1000; ++i) {
    yaml += "  s" + std::to_string(i) + ": {command: x, deps: s" + std::to_string((i + 1) % 1000) +
            "}\n";
  }
  const std::vector<std::string> problems = ProblemsOf(yaml);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_THAT(problems[0], HasSubstr("(992 more)"));
}

TEST(ApplyRequest, GivesTheListThatAStepLoopsOver) {
  const auto apply = [](const base::Json& list) {
    auto pipeline = ParsePipeline(
        "name: p\nentry_points:\n"
        "  a: {command: x, parameters: {l: \"\"}, loop_argument: \"{{l}}\"}\n",
        {}, nullptr);
    EXPECT_TRUE(pipeline.ok()) << pipeline.status();
    return std::string(ApplyRequest({{"l", list}}, {}, {}, &*pipeline, nullptr).message());
  };
  EXPECT_EQ(apply({1, 2}), "");
  EXPECT_EQ(apply("[1, 2]"), "");
  EXPECT_THAT(apply("one"), HasSubstr("3:55: entry_points.a.loop_argument: parameter \"l\" is no"));
}

TEST(ApplyRequest, SetsOneOrAllParametersOfAName) {
  auto pipeline = ParsePipeline(
      "name: p\nentry_points:\n  a: {command: x, parameters: {k: 1}}\n"
      "  b: {command: x, parameters: {k: {type: int}}}\n",
      {}, nullptr);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  const auto apply = [&](const base::Json& parameters) {
    return ApplyRequest(parameters, {}, {}, &*pipeline, nullptr);
  };
  EXPECT_THAT(std::string(apply(base::Json::object()).message()),
              HasSubstr("b.parameters.k: has no default"));
  EXPECT_TRUE(apply({{"k", 5}, {"a.k", "x"}}).ok());
  EXPECT_EQ(pipeline->entry_points[1]->parameters.at("k").value, 5);
  EXPECT_EQ(pipeline->entry_points[0]->parameters.at("k").value, "x");
  EXPECT_THAT(std::string(apply({{"b.k", 1.5}}).message()), HasSubstr("must be a whole number"));
  EXPECT_THAT(std::string(apply({{"kk", 1}}).message()), HasSubstr("no step has a parameter"));
  EXPECT_THAT(std::string(apply({{"a.k", true}}).message()), HasSubstr("not true"));
}

}  // namespace
}  // namespace regatta::flow

#include <gmock/gmock.h>

#include "flow/parse.h"
#include "flow/testing/engine_bench.h"

namespace regatta::flow {
namespace {

using ::testing::ElementsAre;
using testing::EngineTest;
using ::testing::HasSubstr;
using testing::Machine;

// Each test shows one row of the table in docs/design/flow.md, both ways.

std::string Compat(const std::string& yaml) { return yaml + "compat: paddleflow\n"; }

std::string FirstProblem(const std::string& yaml) {
  return std::string(ParsePipeline(yaml, {}, nullptr).status().message());
}

TEST(Compat, IsAKeyOfThePipelineOrAnOptionOfTheReader) {
  const std::string yaml = "name: p\nentry_points: {a: {command: x}}\n";
  EXPECT_FALSE(ParsePipeline(yaml, {}, nullptr)->compat);
  EXPECT_TRUE(ParsePipeline(Compat(yaml), {}, nullptr)->compat);
  EXPECT_TRUE(ParsePipeline(yaml, {.paddleflow_compat = true}, nullptr)->compat);
  EXPECT_TRUE(ParsePipeline("compat: ~\n" + yaml, {}, nullptr).ok());
}

TEST(Compat, KnowsNoKeysOfOurs) {
  for (const char* key :
       {"timeout: 30s", "retry: {limit: 1}", "grace: 1s", "snapshot: {paths: [a]}",
        "python: {imports: [json]}", "distributed_job: {members: [{role: worker}]}"}) {
    const std::string yaml =
        std::string("name: p\nentry_points:\n  a:\n    command: x\n    ") + key + "\n";
    EXPECT_EQ(FirstProblem(yaml), "") << key;
    EXPECT_THAT(FirstProblem(Compat(yaml)), HasSubstr("step has no attribute")) << key;
  }
}

TEST(Compat, CommandsAreTextsAndDepsOneText) {
  const std::string list = "name: p\nentry_points: {a: {command: [x]}}\n";
  EXPECT_EQ(FirstProblem(list), "");
  EXPECT_THAT(FirstProblem(Compat(list)), HasSubstr("command: must be a text, not a list"));
  const std::string deps = "name: p\nentry_points: {a: {command: x}, b: {command: x, deps: [a]}}\n";
  EXPECT_EQ(FirstProblem(deps), "");
  EXPECT_THAT(FirstProblem(Compat(deps)), HasSubstr("joined by commas"));
  const std::string twice =
      "name: p\nentry_points: {a: {command: x}, b: {command: x, deps: \"a,a\"}}\n";
  EXPECT_THAT(FirstProblem(twice), HasSubstr("stands here a second time"));
  EXPECT_EQ(FirstProblem(Compat(twice)), "");
}

TEST(Compat, ParallelismIsClamped) {
  const auto read = [](const std::string& value, bool compat) {
    const std::string yaml =
        "name: p\nentry_points: {a: {command: x}}\nparallelism: " + value + "\n";
    const auto pipeline = ParsePipeline(compat ? Compat(yaml) : yaml, {}, nullptr);
    return pipeline.ok() ? pipeline->parallelism : -1;
  };
  EXPECT_EQ(read("100", true), 20);
  EXPECT_EQ(read("100", false), 100);
  EXPECT_EQ(read("20", true), 20);
  EXPECT_EQ(read("-5", true), 10);
  EXPECT_EQ(read("-5", false), -1);  // refused
  EXPECT_EQ(read("0", true), 10);
  EXPECT_EQ(read("0", false), 10);
}

TEST(Compat, FloatsInEnvironmentsHaveEightDecimals) {
  const std::string yaml =
      "name: p\nentry_points: {a: {command: x, env: {A: 1.0, B: 0.1, C: 1e-9, D: 3}}}\n";
  const auto read = [](const std::string& text) {
    return ParsePipeline(text, {}, nullptr)->entry_points[0]->env;
  };
  EXPECT_EQ(read(Compat(yaml)), (std::map<std::string, std::string>{
                                    {"A", "1."}, {"B", "0.1"}, {"C", "0."}, {"D", "3"}}));
  EXPECT_EQ(read(yaml), (std::map<std::string, std::string>{
                            {"A", "1.0"}, {"B", "0.1"}, {"C", "0.000000001"}, {"D", "3"}}));
}

TEST(Compat, ATypedListTakesNoListAndAnEmptyDefaultIsNone) {
  const std::string list =
      "name: p\nentry_points: {a: {command: x, parameters: {l: {type: list, default: [1]}}}}\n";
  EXPECT_EQ(FirstProblem(list), "");
  EXPECT_THAT(FirstProblem(Compat(list)),
              HasSubstr("parameters.l.default: PaddleFlow takes no list"));
  const std::string empty =
      "name: p\nentry_points: {a: {command: x, parameters: {t: {type: string, default: \"\"}}}}\n";
  const auto apply = [](const std::string& yaml, const base::Json& parameters) {
    auto pipeline = ParsePipeline(yaml, {}, nullptr);
    EXPECT_TRUE(pipeline.ok()) << pipeline.status();
    return ApplyRequest(parameters, {}, {}, &*pipeline, nullptr);
  };
  EXPECT_TRUE(apply(empty, base::Json::object()).ok());
  EXPECT_THAT(std::string(apply(Compat(empty), base::Json::object()).message()),
              HasSubstr("a.parameters.t: has no default"));
  EXPECT_TRUE(apply(Compat(empty), {{"a.t", "x"}}).ok());
}

TEST(Compat, ARequestsDisabledStepsReplaceThoseOfTheFile) {
  const std::string yaml =
      "name: p\nentry_points: {a: {command: x}, b: {command: x}}\ndisabled: a\n";
  const auto disabled = [](const std::string& text) {
    auto pipeline = ParsePipeline(text, {}, nullptr);
    EXPECT_TRUE(ApplyRequest(base::Json::object(), {"b"}, {}, &*pipeline, nullptr).ok());
    return std::vector<bool>{pipeline->entry_points[0]->disabled,
                             pipeline->entry_points[1]->disabled};
  };
  EXPECT_THAT(disabled(Compat(yaml)), ElementsAre(false, true));
  EXPECT_THAT(disabled(yaml), ElementsAre(true, true));
}

TEST(Compat, OutputsAndCacheScopesNeedAMountedFileSystem) {
  const std::string output = "name: p\nentry_points: {a: {command: x, artifacts: {output: [o]}}}\n";
  EXPECT_EQ(FirstProblem(output), "");
  EXPECT_THAT(FirstProblem(Compat(output)), HasSubstr("needs fs_options.main_fs"));
  EXPECT_EQ(FirstProblem(Compat(output + "fs_options: {main_fs: {name: m}}\n")), "");
  const std::string scope =
      "name: p\nentry_points: {a: {command: x, cache: {fs_scope: [{name: m}]}}}\n";
  EXPECT_EQ(FirstProblem(scope), "");
  EXPECT_THAT(FirstProblem(Compat(scope)), HasSubstr("\"m\" is not mounted"));
  EXPECT_EQ(FirstProblem(Compat(scope + "fs_options: {extra_fs: [{name: m}]}\n")), "");
}

TEST(Compat, ConditionsAreThoseOfItsLibrary) {
  const auto condition = [](const std::string& text) {
    return "name: p\nentry_points:\n  a: {command: x, parameters: {n: 1}, condition: \"" + text +
           "\"}\n";
  };
  for (const char* text : {"{{n}} in (1, 2)", "{{n}} ** 2 > 3", "{{n}} > 1 ? true : false"}) {
    EXPECT_EQ(FirstProblem(Compat(condition(text))), "") << text;
    EXPECT_THAT(FirstProblem(condition(text)), HasSubstr("a.condition: condition, character"));
  }
  for (const char* text : {"{{n}} > 1e-3", "/a/{{n}} == b"}) {
    EXPECT_EQ(FirstProblem(condition(text)), "") << text;
    EXPECT_THAT(FirstProblem(Compat(condition(text))), HasSubstr("a.condition: condition, char"));
  }
}

TEST(Compat, BracesThatAreNoTemplateAreText) {
  const std::string yaml =
      "name: p\nentry_points: {a: {command: \"docker ps --format '{{json .}}'\"}}\n";
  EXPECT_EQ(FirstProblem(Compat(yaml)), "");
  EXPECT_THAT(FirstProblem(yaml), HasSubstr("is no template"));
}

TEST(Compat, FieldsThatMeanNothingAreReadAndCommandsMayBeEmpty) {
  const std::string yaml = R"(
name: p
fs_options: {main_fs: {name: m, id: fs-1}}
entry_points:
  a:
    name: another
    type: Step
    parameters: {PF_X: {type: int, default: 1, desc: how many}}
    cache: {max_expired_time: "", fs_scope: [{name: m, id: fs-1}]}
    command: ""
  b: {deps: a}
  c: {name: c, type: DAG, entry_points: {s: {command: x}}}
)";
  std::vector<Problem> problems;
  EXPECT_TRUE(ParsePipeline(Compat(yaml), {}, &problems).ok()) << problems.front().ToString();
  EXPECT_FALSE(ParsePipeline(yaml, {}, &problems).ok());
  std::vector<std::string> paths;
  for (const Problem& problem : problems) paths.push_back(problem.path);
  EXPECT_THAT(
      paths,
      ElementsAre("fs_options.main_fs.id", "entry_points.a.name", "entry_points.a.parameters.PF_X",
                  "entry_points.a.parameters.PF_X.desc", "entry_points.a.cache.max_expired_time",
                  "entry_points.a.cache.fs_scope[0].id", "entry_points.a.command",
                  "entry_points.b.command", "entry_points.c.name"));
}

TEST(Compat, ScalarsAreThoseOfYaml11) {
  const std::string yaml =
      "name: p\nentry_points: {a: {command: x, parameters: {x: 012, y: yes}}}\n";
  EXPECT_EQ(FirstProblem(yaml), "");
  EXPECT_THAT(FirstProblem(Compat(yaml)), HasSubstr("a.parameters.y: must be a text, a number"));
  const std::string number = "name: p\nentry_points: {a: {command: x, parameters: {x: 012}}}\n";
  EXPECT_EQ(ParsePipeline(number, {}, nullptr)->entry_points[0]->parameters["x"].value, 12);
  EXPECT_EQ(ParsePipeline(Compat(number), {}, nullptr)->entry_points[0]->parameters["x"].value, 10);
}

class CompatEngine : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    Open();
  }
};

constexpr char kCached[] = R"(
name: cached
cache: {enable: true}
fs_options: {main_fs: {name: main}}
entry_points:
  a: {command: "a", artifacts: {output: [o]}}
  b: {command: "b", deps: a, artifacts: {input: {i: "{{a.o}}"}, output: [p]}}
)";

TEST_F(CompatEngine, AFailureIsReusedAsAFailure) {
  const auto works = machine_.on_submit;
  const auto fails = [](const job::JobSpec&) { return job::JobState::kFailed; };
  machine_.on_submit = fails;
  EXPECT_EQ(Run(Compat(kCached)).state, RunState::kFailed);
  EXPECT_EQ(Run(kCached).state, RunState::kFailed);
  machine_.on_submit = works;

  const RunDetail again = Run(Compat(kCached));
  EXPECT_EQ(again.state, RunState::kFailed);
  EXPECT_EQ(States(again.id), "a=failed(cached) b=cancelled");
  EXPECT_THAT(Step(again.id, "a").reason, HasSubstr("and failed there: its step a"));

  const RunDetail ours = Run(kCached);
  EXPECT_EQ(ours.state, RunState::kSucceeded) << ours.message;
  EXPECT_EQ(ours.cached_steps, 0);
}

TEST_F(CompatEngine, ASuccessIsReusedToo) {
  EXPECT_EQ(Run(Compat(kCached)).state, RunState::kSucceeded);
  EXPECT_EQ(Run(Compat(kCached)).cached_steps, 2);
}

TEST_F(CompatEngine, ACommentAnywhereMissesEveryNode) {
  ASSERT_EQ(Run(Compat(kCached)).state, RunState::kSucceeded);
  const RunDetail changed = Run(Compat(std::string("# another\n") + kCached));
  EXPECT_EQ(changed.cached_steps, 0);
  EXPECT_THAT(Step(changed.id, "b").reason, HasSubstr("source changed"));

  ASSERT_EQ(Run(kCached).state, RunState::kSucceeded);
  EXPECT_EQ(Run(std::string("# another\n") + kCached).cached_steps, 2);
}

TEST_F(CompatEngine, AnEmptyLoopIsOneIterationThatFails) {
  machine_.on_submit = [](const job::JobSpec& spec) {
    Machine::WriteOutputs(spec, "[]");
    return job::JobState::kSucceeded;
  };
  const std::string yaml = R"(
name: empty
fs_options: {main_fs: {name: main}}
entry_points:
  list: {command: "x", artifacts: {output: [items]}}
  each:
    deps: list
    loop_argument: "{{items}}"
    command: "x"
    artifacts: {input: {items: "{{list.items}}"}}
)";
  const RunDetail theirs = Run(Compat(yaml));
  EXPECT_EQ(theirs.state, RunState::kFailed);
  EXPECT_EQ(States(theirs.id), "each=failed list=succeeded");
  EXPECT_THAT(Step(theirs.id, "each").reason, HasSubstr("each.loop_argument: the list is empty"));
  const RunDetail ours = Run(yaml);
  EXPECT_EQ(ours.state, RunState::kSucceeded);
  EXPECT_EQ(States(ours.id), "each=skipped list=succeeded");
}

TEST_F(CompatEngine, AnEmptyListInTheFileIsLeftToTheRun) {
  const std::string yaml = "name: p\nentry_points: {a: {command: x, loop_argument: []}}\n";
  EXPECT_EQ(States(Run(Compat(yaml)).id), "a=failed");
  EXPECT_THAT(FirstProblem(yaml), HasSubstr("is an empty list"));
}

TEST_F(CompatEngine, ALeadingShellIsTakenOffTheCommand) {
  const auto command = [&](const std::string& yaml) {
    const RunDetail run = Run(yaml);
    return Step(run.id, "a").command;
  };
  const std::string yaml = "name: p\nentry_points: {a: {command: bash -c echo a b}}\n";
  EXPECT_EQ(command(Compat(yaml)), "echo a b");
  EXPECT_EQ(command(yaml), "bash -c echo a b");
  const std::string quoted = "name: p\nentry_points: {a: {command: \"sh -c 'echo a b'\"}}\n";
  EXPECT_EQ(command(Compat(quoted)), "sh -c 'echo a b'");
}

TEST_F(CompatEngine, ValuesReadAsGoPrintsThem) {
  const std::string yaml = R"(
name: values
entry_points:
  a: {parameters: {f: 2.5, w: 1.0, l: [1, [b, 2.5]]}, command: "{{f}} {{w}} {{l}}"}
)";
  EXPECT_EQ(Step(Run(Compat(yaml)).id, "a").command, "2.5 1 [1 [b 2.5]]");
  EXPECT_EQ(Step(Run(yaml).id, "a").command, "2.5 1.0 [1,[\"b\",2.5]]");
}

TEST_F(CompatEngine, NumbersOutOfAJsonListAreFloats) {
  const std::string yaml = R"(
name: numbers
entry_points:
  a: {loop_argument: "[1234567, [1, 2.5]]", command: "{{PF_LOOP_ARGUMENT}}"}
  d:
    loop_argument: "[1234567]"
    entry_points:
      s: {parameters: {n: "{{PF_PARENT.PF_LOOP_ARGUMENT}}"}, command: "{{n}}"}
)";
  const RunDetail theirs = Run(Compat(yaml));
  EXPECT_EQ(Step(theirs.id, "a").command, "1.234567e+06");
  EXPECT_EQ(Step(theirs.id, "a-1").command, "[1 2.5]");
  EXPECT_EQ(Step(theirs.id, "d.s").command, "1234567");
  const RunDetail ours = Run(yaml);
  EXPECT_EQ(Step(ours.id, "a").command, "1234567");
  EXPECT_EQ(Step(ours.id, "a-1").command, "[1,2.5]");
  EXPECT_EQ(Step(ours.id, "d.s").command, "1234567");
}

TEST_F(CompatEngine, SystemVariablesOfAParameterAreThoseOfTheDagAround) {
  const std::string yaml = R"(
name: around
entry_points:
  d:
    loop_argument: [x]
    entry_points:
      s:
        loop_argument: [w]
        parameters: {n: "{{PF_STEP_NAME}} {{PF_LOOP_ARGUMENT}}"}
        command: "{{n}}, {{PF_STEP_NAME}} {{PF_LOOP_ARGUMENT}}"
  t: {parameters: {n: "<{{PF_LOOP_ARGUMENT}}>"}, loop_argument: [z], command: "{{n}}"}
)";
  const RunDetail theirs = Run(Compat(yaml));
  EXPECT_EQ(Step(theirs.id, "d.s").command, "d x, s w");
  EXPECT_EQ(Step(theirs.id, "t").command, "<>");
  const RunDetail ours = Run(yaml);
  EXPECT_EQ(Step(ours.id, "d.s").command, "d.s w, d.s w");
  EXPECT_EQ(Step(ours.id, "t").command, "<z>");
}

TEST_F(CompatEngine, AnEmptyConditionAfterFillingInIsTrue) {
  const std::string yaml =
      "name: p\nentry_points: {a: {command: x, parameters: {c: \"\"}, condition: \"{{c}}\"}}\n";
  EXPECT_EQ(States(Run(Compat(yaml)).id), "a=succeeded");
  EXPECT_EQ(States(Run(yaml).id), "a=failed");
}

TEST_F(CompatEngine, AConditionedStepMayBeWaitedForInBoth) {
  const std::string yaml = R"(
name: waits
entry_points:
  a: {command: "x", condition: "1 > 2"}
  b: {command: "x", deps: a}
)";
  for (const std::string& text : {yaml, Compat(yaml)}) {
    const RunDetail run = Run(text);
    EXPECT_EQ(States(run.id), "a=skipped b=succeeded");
  }
}

}  // namespace
}  // namespace regatta::flow

#include <gmock/gmock.h>

#include "flow/testing/engine_bench.h"

namespace regatta::flow {
namespace {

using testing::EngineTest;
using ::testing::HasSubstr;
using testing::Machine;
using ::testing::StartsWith;

// prepare -> train over two learning rates -> select; train reads the file code.sh.
std::string Pipeline(const std::string& rates, const std::string& prepare = "prepare") {
  return R"(
name: cached
cache: {enable: true}
entry_points:
  prepare: {command: ")" +
         prepare + R"(", artifacts: {output: [data]}}
  train:
    deps: prepare
    loop_argument: )" +
         rates + R"(
    command: "sh code.sh {{lr}} {{data}} {{model}} {{PF_RUN_ID}}"
    parameters: {lr: "{{PF_LOOP_ARGUMENT}}"}
    snapshot: {paths: [code.sh]}
    artifacts: {input: {data: "{{prepare.data}}"}, output: [model]}
  select:
    deps: train
    command: "select {{models}}"
    artifacts: {input: {models: "{{train.model}}"}, output: [best]}
)";
}

class EngineCacheTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    WriteFile("code.sh", "echo 1\n");
    // What a step writes depends on what it was asked to do, as a real one's output would.
    machine_.on_submit = [this](const job::JobSpec& spec) {
      const std::string step = Machine::StepOf(spec);
      std::string content = step.rfind("train", 0) == 0 ? "train" : step;
      if (step.rfind("train", 0) == 0) content += " " + spec.env.at("PF_LOOP_ARGUMENT");
      content += salt_;
      Machine::WriteOutputs(spec, content);
      return job::JobState::kSucceeded;
    };
    Open();
  }
  std::string Why(const std::string& run_id, const std::string& step) {
    return Step(run_id, step).cache.reason;
  }
  std::string salt_;
};

TEST_F(EngineCacheTest, SkipsEverythingThatIsUnchangedAndSaysSince) {
  RunRequest request = Request(Pipeline("[0.1, 0.05]"));
  request.name = "first";
  const RunDetail first = Run(request);
  ASSERT_EQ(first.state, RunState::kSucceeded) << first.message;
  EXPECT_EQ(Why(first.id, "train"), "never ran before");
  EXPECT_EQ(Step(first.id, "train").cache.outcome, "miss");

  const RunDetail second = Run(Pipeline("[0.1, 0.05]"));
  EXPECT_EQ(States(second.id),
            "prepare=succeeded(cached) select=succeeded(cached) train=succeeded(cached) "
            "train-1=succeeded(cached)");
  EXPECT_EQ(second.cached_steps, 4);
  EXPECT_EQ(machine_.Launched().size(), 4u);
  const StepDetail train = Step(second.id, "train-1");
  EXPECT_THAT(train.reason, StartsWith("unchanged since run first of 2"));
  EXPECT_THAT(train.reason, HasSubstr(": taken from its step train-1"));
  EXPECT_EQ(train.cache.outcome, "hit");
  EXPECT_EQ(train.cache.from_run_id, first.id);
  EXPECT_EQ(train.outputs[0].path, Step(first.id, "train-1").outputs[0].path);
}

TEST_F(EngineCacheTest, RunsOnlyTheChangedIterationOfAListThatIsAParameter) {
  const auto pipeline = [](const std::string& rates, const std::string& command) {
    return "name: listed\ncache: {enable: true}\nentry_points:\n  train:\n    parameters: "
           "{rates: " +
           rates + "}\n    loop_argument: \"{{rates}}\"\n    command: \"" + command + "\"\n";
  };
  ASSERT_EQ(Run(pipeline("[1, 2]", "t {{PF_LOOP_ARGUMENT}}")).state, RunState::kSucceeded);
  const RunDetail second = Run(pipeline("[1, 3]", "t {{PF_LOOP_ARGUMENT}}"));
  EXPECT_EQ(States(second.id), "train=succeeded(cached) train-1=succeeded");
  // A command that sees the whole list depends on the whole list.
  ASSERT_EQ(Run(pipeline("[1, 3]", "t {{rates}}")).state, RunState::kSucceeded);
  const RunDetail last = Run(pipeline("[1, 4]", "t {{rates}}"));
  EXPECT_EQ(States(last.id), "train=succeeded train-1=succeeded");
}

TEST_F(EngineCacheTest, RunsOnlyTheChangedIterationAndWhatDependsOnIt) {
  Run(Pipeline("[0.1, 0.05]"));
  const RunDetail run = Run(Pipeline("[0.1, 0.2]"));
  EXPECT_EQ(States(run.id),
            "prepare=succeeded(cached) select=succeeded train=succeeded(cached) "
            "train-1=succeeded");
  EXPECT_THAT(Why(run.id, "train-1"), HasSubstr("parameter lr changed from 0.05 to 0.2"));
  EXPECT_THAT(Why(run.id, "select"), HasSubstr("input models changed (step train-1 ran again)"));
  for (const CachePart& part : Step(run.id, "train-1").cache.parts) {
    EXPECT_EQ(part.changed, part.name == "parameter lr" || part.name == "loop argument")
        << part.name;
  }
}

TEST_F(EngineCacheTest, RunsAgainWhenADeclaredCodeFileChanged) {
  Run(Pipeline("[0.1, 0.05]"));
  WriteFile("code.sh", "echo 2\n");
  const RunDetail run = Run(Pipeline("[0.1, 0.05]"));
  // The new code wrote the same models, so what depends on them is unchanged.
  EXPECT_EQ(States(run.id),
            "prepare=succeeded(cached) select=succeeded(cached) train=succeeded "
            "train-1=succeeded");
  EXPECT_EQ(Why(run.id, "train"), "code code.sh changed");
}

TEST_F(EngineCacheTest, IgnoresModificationTimes) {
  Run(Pipeline("[0.1]"));
  std::filesystem::last_write_time(
      folder_ + "/pipeline/code.sh",
      std::filesystem::file_time_type::clock::now() + std::chrono::hours(5));
  EXPECT_EQ(Run(Pipeline("[0.1]")).cached_steps, 3);
}

TEST_F(EngineCacheTest, KeepsOtherStepsWhenOneIsEdited) {
  Run(Pipeline("[0.1]"));
  const RunDetail run = Run(Pipeline("[0.1]", "prepare --again"));
  EXPECT_EQ(States(run.id), "prepare=succeeded select=succeeded(cached) train=succeeded(cached)");
  EXPECT_EQ(Why(run.id, "prepare"), "command changed");
}

TEST_F(EngineCacheTest, RunsAgainWhenAnInputsContentChanged) {
  Run(Pipeline("[0.1]"));
  salt_ = " other data";
  const RunDetail run = Run(Pipeline("[0.1]", "prepare --again"));
  EXPECT_EQ(run.cached_steps, 0);
  EXPECT_EQ(Why(run.id, "train"), "input data changed (step prepare ran again)");
}

TEST_F(EngineCacheTest, RunsAgainWhenTheCachedOutputsAreGoneOrChanged) {
  const RunDetail first = Run(Pipeline("[0.1]"));
  const std::string model = Step(first.id, "train").outputs[0].path;
  std::filesystem::remove(model);
  const RunDetail second = Run(Pipeline("[0.1]"));
  EXPECT_EQ(Why(second.id, "train"), "cached outputs are gone: " + model + " was deleted");
  EXPECT_EQ(second.cached_steps, 2);

  std::ofstream(Step(second.id, "train").outputs[0].path) << "tampered";
  const RunDetail third = Run(Pipeline("[0.1]"));
  EXPECT_THAT(Why(third.id, "train"), HasSubstr("was changed after its step wrote it"));
}

TEST_F(EngineCacheTest, NeverReusesAFailure) {
  const auto works = machine_.on_submit;
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kFailed; };
  const RunDetail first = Run(Pipeline("[0.1]"));
  EXPECT_EQ(first.state, RunState::kFailed);
  machine_.on_submit = works;
  const RunDetail second = Run(Pipeline("[0.1]"));
  EXPECT_EQ(second.state, RunState::kSucceeded) << second.message;
  EXPECT_EQ(Why(second.id, "prepare"), "its last run, in run cached, ended failed");
}

TEST_F(EngineCacheTest, HonoursTheExpiryAndTheSwitchOfAStep) {
  const std::string yaml = R"(
name: expiring
entry_points:
  short: {command: "x", cache: {enable: true, max_expired_time: 0}}
  off: {command: "x"}
)";
  Run(yaml);
  const RunDetail run = Run(yaml);
  EXPECT_EQ(run.cached_steps, 0);
  EXPECT_THAT(Why(run.id, "short"), StartsWith("cache entry expired"));
  EXPECT_EQ(Step(run.id, "off").cache.outcome, "disabled");
}

TEST_F(EngineCacheTest, WaitsForTheSameStepOfAnotherRunAndTakesItsResult) {
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  const std::string yaml =
      "name: same\ncache: {enable: true}\nentry_points:\n  a: {command: x, artifacts: {output: "
      "[o]}}\n";
  const std::string first = Create(yaml);
  ASSERT_TRUE(WaitForState(first, "a", StepState::kRunning));
  const std::string second = Create(yaml);
  ASSERT_TRUE(WaitUntil([&] { return Step(second, "a").reason.rfind("waits for", 0) == 0; }));
  machine_.Finish("a", job::JobState::kSucceeded);
  WaitForEnd(first);
  EXPECT_EQ(WaitForEnd(second).cached_steps, 1);
  EXPECT_EQ(machine_.LaunchesOf("a"), 1);
}

TEST_F(EngineCacheTest, ShowsNoSecretAmongTheParts) {
  const RunDetail run =
      Run("name: s\ncache: {enable: true}\nentry_points:\n"
          "  a: {command: x, env: {API_KEY: \"hunter2-hunter2\"}}\n");
  for (const CachePart& part : Step(run.id, "a").cache.parts) {
    EXPECT_THAT(part.value, ::testing::Not(HasSubstr("hunter2"))) << part.name;
  }
}

}  // namespace
}  // namespace regatta::flow

#include <gmock/gmock.h>

#include "flow/testing/engine_bench.h"

namespace regatta::flow {
namespace {

using testing::EngineTest;
using ::testing::HasSubstr;

class Stop : public EngineTest {
 protected:
  // `bad` fails, `long` steps run until they are stopped.
  void SetUp() override {
    EngineTest::SetUp();
    machine_.on_submit = [](const job::JobSpec& spec) {
      const std::string& command = spec.roles[0].argv.back();
      return command == "bad"    ? job::JobState::kFailed
             : command == "long" ? job::JobState::kRunning
                                 : job::JobState::kSucceeded;
    };
    Open();
  }
};

constexpr char kMixed[] = R"(
name: mixed
failure_options: {strategy: continue}
entry_points:
  bad: {command: bad}
  work: {command: long}
  d: {entry_points: {s: {command: long}, t: {command: x, deps: s}}}
  after: {command: x, deps: "work,d"}
post_process: {report: {command: x}}
)";

TEST_F(Stop, AFailedStepMakesTheRunFailedAlsoWhenItIsStoppedThen) {
  const std::string id = Create(kMixed);
  ASSERT_TRUE(WaitForState(id, "bad", StepState::kFailed));
  ASSERT_TRUE(WaitForState(id, "d.s", StepState::kRunning));
  ASSERT_TRUE(engine_->StopRun(id, false).ok());
  const RunDetail run = WaitForEnd(id);
  EXPECT_EQ(run.state, RunState::kFailed);
  EXPECT_THAT(run.message, HasSubstr("step \"bad\" failed"));
  EXPECT_EQ(States(id),
            "after=cancelled bad=failed d=terminated d.s=terminated d.t=cancelled "
            "report=succeeded work=terminated");
}

TEST_F(Stop, WithoutAFailureTheRunIsTerminated) {
  std::string yaml = kMixed;
  yaml.replace(yaml.find("command: bad"), 12, "command: x  ");
  const std::string id = Create(yaml);
  ASSERT_TRUE(WaitForState(id, "d.s", StepState::kRunning));
  ASSERT_TRUE(WaitForState(id, "work", StepState::kRunning));
  ASSERT_TRUE(engine_->StopRun(id, true).ok());
  const RunDetail run = WaitForEnd(id);
  EXPECT_EQ(run.state, RunState::kTerminated);
  EXPECT_EQ(Step(id, "report").state, StepState::kCancelled);
  EXPECT_THAT(Step(id, "report").reason, HasSubstr("forced stop"));
  EXPECT_FALSE(engine_->StopRun(id, true).ok());
}

TEST_F(Stop, ThePostProcessStepRunsAfterEveryOutcomeAndItsFailureFailsTheRun) {
  for (const char* command : {"x", "bad"}) {
    for (const char* report : {"x", "bad"}) {
      for (const char* strategy : {"fail_fast", "continue"}) {
        const RunDetail run = Run(
            std::string("name: outcomes\nfailure_options: {strategy: ") + strategy +
            "}\nentry_points: {a: {command: " + command +
            "}, b: {command: x, deps: a}}\npost_process: {report: {command: " + report + "}}\n");
        const bool good = std::string(command) == "x" && std::string(report) == "x";
        EXPECT_EQ(run.state, good ? RunState::kSucceeded : RunState::kFailed);
        EXPECT_EQ(Step(run.id, "report").state,
                  std::string(report) == "x" ? StepState::kSucceeded : StepState::kFailed);
        EXPECT_EQ(Step(run.id, "b").state,
                  std::string(command) == "x" ? StepState::kSucceeded : StepState::kCancelled);
      }
    }
  }
}

// Condition first, then disabled: PaddleFlow's order, so that a wrong condition is heard of.
TEST_F(Stop, ADisabledNodeIsSkippedWithAllBelowAndItsConditionIsStillRead) {
  const RunDetail run = Run(R"(
name: off
disabled: "d, e.s, f"
entry_points:
  d: {entry_points: {s: {command: bad}}}
  e: {entry_points: {s: {command: bad}, t: {command: x, deps: s}}}
  f: {command: bad, condition: "'{{PF_STEP_NAME}}' == g"}
  g: {command: x, deps: "d,e,f"}
)");
  EXPECT_EQ(States(run.id),
            "d=skipped e=succeeded e.s=skipped e.t=succeeded f=skipped g=succeeded");
  EXPECT_EQ(Step(run.id, "d").reason, "disabled");
  EXPECT_THAT(Step(run.id, "f").reason, HasSubstr("its condition is false"));
}

}  // namespace
}  // namespace regatta::flow

#include <gmock/gmock.h>

#include "flow/testing/engine_bench.h"

namespace regatta::flow {
namespace {

using testing::EngineTest;
using ::testing::HasSubstr;

class Explain : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    Open();
  }
  void KeepRunning() {
    machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  }
  std::string Reason(const std::string& run, const std::string& step) {
    return Step(run, step).reason;
  }
};

TEST_F(Explain, APendingStepSaysWhatItWaitsFor) {
  KeepRunning();
  const std::string run = Create(R"(
name: waits
parallelism: 1
entry_points:
  a: {command: x}
  b: {command: x}
  c: {command: x, deps: "a,b"}
  d:
    entry_points:
      s: {command: x}
      t: {command: x, deps: s}
  e: {command: x, deps: c}
post_process: {p: {command: x}}
)");
  ASSERT_TRUE(WaitForState(run, "a", StepState::kRunning));
  ASSERT_TRUE(WaitForState(run, "d", StepState::kRunning));
  EXPECT_EQ(Reason(run, "b"), "waits for its turn: no more steps run at once (parallelism)");
  EXPECT_EQ(Reason(run, "c"), "waits for a (running), b (pending)");
  EXPECT_EQ(Reason(run, "d.t"), "waits for d.s (pending)");
  EXPECT_EQ(Reason(run, "e"), "waits for c (pending)");
  EXPECT_EQ(Reason(run, "p"),
            "waits for a (running), b (pending), c (pending), d (running), e (pending), and more");
  machine_.Finish("a", job::JobState::kSucceeded);
  ASSERT_TRUE(WaitForState(run, "b", StepState::kRunning));
  EXPECT_EQ(Reason(run, "c"), "waits for b (running)");
}

TEST_F(Explain, AStoppedDagSaysWhy) {
  KeepRunning();
  const std::string run = Create(R"(
name: stopped
entry_points:
  d: {entry_points: {s: {command: x}, t: {command: x, deps: s}}}
)");
  ASSERT_TRUE(WaitForState(run, "d.s", StepState::kRunning));
  ASSERT_TRUE(engine_->StopRun(run, false).ok());
  EXPECT_EQ(WaitForEnd(run).state, RunState::kTerminated);
  EXPECT_EQ(Reason(run, "d"), "its steps were stopped because the run was stopped");
  EXPECT_EQ(Reason(run, "d.t"), "cancelled because the run was stopped");
}

TEST_F(Explain, APartOfTheKeyThatIsGoneIsShown) {
  const auto yaml = [](const std::string& env) {
    return "name: gone\ncache: {enable: true}\nentry_points: {a: {command: x" + env + "}}\n";
  };
  ASSERT_EQ(Run(yaml(", env: {OLD: \"1\"}")).state, RunState::kSucceeded);
  const StepDetail step = Step(Run(yaml("")).id, "a");
  EXPECT_THAT(step.reason, HasSubstr("env OLD"));
  ASSERT_EQ(step.cache.parts.size(), 4u);
  const CachePart& gone = step.cache.parts.back();
  EXPECT_EQ(gone.name, "env OLD");
  EXPECT_EQ(gone.value, "");
  EXPECT_EQ(gone.previous, "1");
  EXPECT_TRUE(gone.changed);
}

class Logs : public EngineTest {};

TEST_F(Logs, OfAStepThatWroteNothingIsEmpty) {
  local_ = true;
  Open();
  const RunDetail run = Run("name: p\nentry_points: {a: {command: \"true\"}}\n");
  ASSERT_EQ(run.state, RunState::kSucceeded) << run.message;
  const std::string id = Step(run.id, "a").id;
  const auto log = engine_->GetLog(run.id, id, 0, 0, 100);
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ(log->bytes, "");
  EXPECT_EQ(log->total, 0);
  EXPECT_EQ(engine_->GetLog(run.id, id, 1, 0, 100).status().message(),
            "step \"a\" has no rank 1; it has only rank 0");
}

}  // namespace
}  // namespace regatta::flow

#include <gmock/gmock.h>

#include "flow/parse.h"
#include "flow/testing/engine_bench.h"

namespace regatta::flow {
namespace {

using testing::EngineTest;
using ::testing::HasSubstr;
using testing::Machine;

std::string Pipeline(const std::string& retry, const std::string& rest = "") {
  return "name: p\nentry_points:\n  a: {command: x, artifacts: {output: [o]}, retry: {" + retry +
         "}}\n" + rest;
}

class RetryTest : public EngineTest {
 protected:
  // Its first `failures` attempts fail; with `silent`, by writing nothing.
  void FailFirst(int failures, bool silent = false) {
    machine_.on_submit = [this, failures, silent](const job::JobSpec& spec) {
      const bool fails = machine_.LaunchesOf(Machine::StepOf(spec)) <= failures;
      if (!fails) Machine::WriteOutputs(spec, "x");
      return fails && !silent ? job::JobState::kFailed : job::JobState::kSucceeded;
    };
    Open();
  }
};

TEST_F(RetryTest, TriesAgainUntilItSucceeds) {
  FailFirst(2);
  const RunDetail run = Run(Pipeline("limit: 3"));
  EXPECT_EQ(run.state, RunState::kSucceeded) << run.message;
  const StepDetail step = Step(run.id, "a");
  EXPECT_EQ(step.attempts, 3);
  EXPECT_EQ(machine_.LaunchesOf("a"), 3);
  EXPECT_THAT(step.reason, HasSubstr("attempt 3 after: rank 0 exited with code 3"));
}

TEST_F(RetryTest, GivesUpAtTheLimit) {
  FailFirst(100);
  const RunDetail run = Run(Pipeline("limit: 2"));
  EXPECT_EQ(run.state, RunState::kFailed);
  EXPECT_EQ(machine_.LaunchesOf("a"), 3);
}

TEST_F(RetryTest, TakesAnOutputThatIsMissingForAFailure) {
  FailFirst(1, true);
  EXPECT_EQ(Run(Pipeline("limit: 1")).state, RunState::kSucceeded);
}

TEST_F(RetryTest, PausesTwiceAsLongEachTime) {
  FailFirst(2);
  const auto begin = base::MonotonicMicros();
  EXPECT_EQ(Run(Pipeline("limit: 2, backoff: 40ms")).state, RunState::kSucceeded);
  EXPECT_GE(base::MonotonicMicros() - begin, 120'000);
}

TEST_F(RetryTest, CanBeStoppedInThePause) {
  FailFirst(100);
  const std::string id = Create(Pipeline("limit: 5, backoff: 1h", "  b: {command: x, deps: a}\n"));
  ASSERT_TRUE(WaitUntil([&] { return Step(id, "a").attempts == 2; }));
  ASSERT_TRUE(engine_->StopRun(id, false).ok());
  EXPECT_EQ(WaitForEnd(id).state, RunState::kTerminated);
  EXPECT_EQ(States(id), "a=terminated b=cancelled");
  EXPECT_EQ(machine_.LaunchesOf("a"), 1);
}

TEST_F(RetryTest, AFreshOwnerGoesOnWithTheNextAttempt) {
  FailFirst(1);
  const std::string id = Create(Pipeline("limit: 1, backoff: 1h"));
  ASSERT_TRUE(WaitUntil([&] { return Step(id, "a").attempts == 2; }));
  Close();
  Open();
  EXPECT_EQ(WaitForEnd(id).state, RunState::kSucceeded);
  EXPECT_EQ(machine_.LaunchesOf("a"), 2);
}

TEST_F(RetryTest, LooksAtTheExitCodeOfARealCommand) {
  local_ = true;
  Open();
  const auto run = [&](const std::string& command) {
    const RunDetail run = Run("name: p\nentry_points:\n  a: {command: " + command +
                              ", retry: {limit: 2, on: [75, 137]}}\n");
    EXPECT_EQ(run.state, RunState::kFailed);
    return Step(run.id, "a").attempts;
  };
  EXPECT_EQ(run("exit 75"), 3);
  EXPECT_EQ(run("kill -9 $$"), 3);
  EXPECT_EQ(run("exit 1"), 1);
}

TEST(Retry, IsReadWithItsPlace) {
  const auto problem = [](const std::string& retry) {
    return std::string(ParsePipeline(Pipeline(retry), {}, nullptr).status().message());
  };
  EXPECT_EQ(problem("limit: 0"), "");
  EXPECT_EQ(problem("limit: 3, backoff: 5s, on: [1, 255]"), "");
  EXPECT_EQ(problem("limit: 101"),
            "pipeline.yaml:3:60: entry_points.a.retry.limit: must be from 0 to 100");
  EXPECT_THAT(problem("backoff: soon"),
              HasSubstr("3:62: entry_points.a.retry.backoff: must be an amount like 30s"));
  EXPECT_THAT(problem("on: failure"), HasSubstr("retry.on: must be a list of exit codes"));
  EXPECT_THAT(problem("on: [0]"), HasSubstr("retry.on: must be exit codes from 1 to 255"));
  EXPECT_THAT(problem("times: 3"), HasSubstr("retry.times: retry has no attribute \"times\""));
}

}  // namespace
}  // namespace regatta::flow

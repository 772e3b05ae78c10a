#include <gmock/gmock.h>

#include <set>

#include "base/ulid.h"
#include "flow/testing/engine_bench.h"

namespace regatta::flow {
namespace {

using ::testing::ElementsAre;
using testing::EngineTest;
using ::testing::HasSubstr;
using testing::Machine;
using ::testing::UnorderedElementsAre;

// a -> loop b over three items -> c; a DAG d with x -> y; s is skipped; report ends it.
constexpr char kPipeline[] = R"(
name: mixed
failure_options: {strategy: continue}
entry_points:
  a: {command: "x", parameters: {p: 1}, artifacts: {output: [o]}}
  b:
    deps: a
    loop_argument: [1, 2, 3]
    command: "x {{i}}"
    artifacts: {input: {i: "{{a.o}}"}, output: [o]}
  c: {deps: b, command: "x {{i}}", artifacts: {input: {i: "{{b.o}}"}}}
  d:
    deps: a
    entry_points:
      x: {command: "x"}
      y: {deps: x, command: "x"}
  s: {command: "x", condition: "1 > 2"}
post_process:
  report: {command: "x"}
)";

class EngineRetryTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    machine_.on_submit = [this](const job::JobSpec& spec) {
      const std::string step = Machine::StepOf(spec);
      if (failing_.contains(step)) return job::JobState::kFailed;
      Machine::WriteOutputs(spec, step);
      return job::JobState::kSucceeded;
    };
    Open();
  }
  // A run in which `steps` fail; they work from then on.
  std::string Failed(const std::string& yaml, std::set<std::string> steps) {
    failing_ = std::move(steps);
    const RunDetail run = this->Run(yaml);
    EXPECT_EQ(run.state, RunState::kFailed);
    failing_.clear();
    const std::lock_guard lock(machine_.mutex);
    machine_.launched.clear();
    return run.id;
  }
  std::string Retry(const std::string& run_id, const std::string& id = "") {
    auto run = engine_->RetryRun({.run_id = run_id, .id = id, .created_by = "bob"});
    EXPECT_TRUE(run.ok()) << run.status();
    return run.ok() ? run->id : "";
  }
  std::set<std::string> failing_;
};

TEST_F(EngineRetryTest, RunsOnlyWhatDidNotSucceed) {
  RunRequest request = Request(kPipeline);
  request.parameters = {{"a.p", 2}};
  failing_ = {"b-1", "d.y"};
  const RunDetail before = this->Run(request);
  ASSERT_EQ(before.state, RunState::kFailed);
  failing_.clear();
  {
    const std::lock_guard lock(machine_.mutex);
    machine_.launched.clear();
  }
  const std::string id = Retry(before.id);
  const RunDetail after = WaitForEnd(id);
  EXPECT_EQ(after.state, RunState::kSucceeded) << after.message;
  EXPECT_NE(id, before.id);
  EXPECT_EQ(after.retry_of, before.id);
  EXPECT_EQ(after.created_by, "bob");
  EXPECT_EQ(after.yaml, before.yaml);
  EXPECT_EQ(after.parameters, before.parameters);
  EXPECT_THAT(machine_.Launched(), UnorderedElementsAre("b-1", "c", "d.y", "report"));
  EXPECT_EQ(States(id),
            "a=succeeded b=succeeded b-1=succeeded b-2=succeeded c=succeeded d=succeeded "
            "d.x=succeeded d.y=succeeded report=succeeded s=skipped");
  EXPECT_EQ(after.step_counts.at("succeeded"), 9);
  // The old one stays as it was.
  EXPECT_EQ(engine_->GetRun(before.id)->state, RunState::kFailed);
}

TEST_F(EngineRetryTest, NamesWhereATakenOverStepIsFromAndReusesItsArtifacts) {
  const std::string first = Failed(kPipeline, {"c"});
  const std::string id = Retry(first);
  WaitForEnd(id);
  const StepDetail a = Step(id, "a");
  EXPECT_EQ(a.cache.outcome, "taken_over");
  EXPECT_EQ(a.cache.from_run_id, first);
  EXPECT_EQ(a.cache.from_step_id, Step(first, "a").id);
  EXPECT_EQ(a.reason, "taken over from run " + first + ", where it succeeded");
  EXPECT_EQ(a.outputs[0].path, Step(first, "a").outputs[0].path);
  EXPECT_EQ(a.command, "x");
  EXPECT_THAT(Step(id, "s").reason, HasSubstr("where it was skipped: its condition is false"));
  EXPECT_THAT(Step(id, "c").inputs[0].path, HasSubstr(first));
}

TEST_F(EngineRetryTest, RunsAStepAgainWhoseArtifactsAreGoneAndWhatIsBehindIt) {
  const std::string first = Failed(kPipeline, {"d.y"});
  std::filesystem::remove(Step(first, "b-2").outputs[0].path);
  const std::string id = Retry(first);
  EXPECT_EQ(WaitForEnd(id).state, RunState::kSucceeded);
  EXPECT_THAT(machine_.Launched(), UnorderedElementsAre("b-2", "c", "d.y", "report"));
}

TEST_F(EngineRetryTest, CanBeRetriedAgain) {
  const std::string first = Failed(kPipeline, {"b-1", "d.y"});
  failing_ = {"d.y"};
  const std::string second = Retry(first);
  ASSERT_EQ(WaitForEnd(second).state, RunState::kFailed);
  failing_.clear();
  const std::string third = Retry(second);
  ASSERT_EQ(WaitForEnd(third).state, RunState::kSucceeded);
  EXPECT_EQ(machine_.LaunchesOf("b-1"), 1);
  // The step that really ran, which has the log and the metrics.
  EXPECT_EQ(Step(third, "a").cache.from_step_id, Step(first, "a").id);
  EXPECT_EQ(Step(third, "b-1").cache.from_run_id, second);
}

TEST_F(EngineRetryTest, TakesUpAStoppedRun) {
  machine_.on_submit = [](const job::JobSpec& spec) {
    if (Machine::StepOf(spec) == "b") return job::JobState::kRunning;
    Machine::WriteOutputs(spec, "");
    return job::JobState::kSucceeded;
  };
  const std::string yaml =
      "name: p\nentry_points:\n  a: {command: x}\n  b: {deps: a, command: x}\n"
      "  c: {deps: b, command: x}\n";
  const std::string first = Create(yaml);
  ASSERT_TRUE(WaitForState(first, "b", StepState::kRunning));
  ASSERT_TRUE(engine_->StopRun(first, false).ok());
  ASSERT_EQ(WaitForEnd(first).state, RunState::kTerminated);
  const std::string id = Retry(first);
  ASSERT_TRUE(WaitForState(id, "b", StepState::kRunning));
  machine_.Finish("b", job::JobState::kSucceeded);
  const RunDetail run = WaitForEnd(id);
  EXPECT_EQ(run.state, RunState::kSucceeded) << run.message;
  EXPECT_THAT(machine_.Launched(), ElementsAre("a", "b", "b", "c"));
}

TEST_F(EngineRetryTest, IsTheSameRunWhenTheRequestIsRepeated) {
  const std::string first = Failed(kPipeline, {"c"});
  const std::string id = base::NewUlid();
  EXPECT_EQ(Retry(first, id), id);
  EXPECT_EQ(Retry(first, id), id);
  WaitForEnd(id);
  EXPECT_EQ(Retry(first, id), id);
  EXPECT_EQ(engine_->ListRuns({})->total, 2);
  EXPECT_EQ(machine_.LaunchesOf("c"), 1);
  const auto other = engine_->RetryRun({.run_id = id, .id = first});
  EXPECT_EQ(other.status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(EngineRetryTest, RefusesWhatHasNotFailed) {
  const RunDetail good = this->Run("name: p\nentry_points:\n  a: {command: x}\n");
  const auto refused = engine_->RetryRun({.run_id = good.id});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("is succeeded; only a failed"));
  EXPECT_EQ(engine_->RetryRun({.run_id = base::NewUlid()}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(engine_->ListRuns({})->total, 1);
}

TEST_F(EngineRetryTest, GoesOnAfterItsOwnerDied) {
  const std::string first = Failed(kPipeline, {"b-1", "d.y"});
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  const std::string id = Retry(first);
  ASSERT_TRUE(WaitForState(id, "b-1", StepState::kRunning)) << States(id);
  ASSERT_TRUE(WaitForState(id, "d.y", StepState::kRunning)) << States(id);
  Close();
  Open();
  for (const char* step : {"b-1", "d.y", "c", "report"}) {
    ASSERT_TRUE(WaitForState(id, step, StepState::kRunning)) << step << ": " << States(id);
    machine_.Finish(step, job::JobState::kSucceeded);
  }
  const RunDetail run = WaitForEnd(id);
  EXPECT_EQ(run.state, RunState::kSucceeded) << run.message;
  EXPECT_EQ(run.retry_of, first);
  EXPECT_EQ(machine_.Launched().size(), 4u);
}

TEST_F(EngineRetryTest, OpensTheTablesOfAnEarlierVersionAndRetriesItsRuns) {
  const std::string first = Failed(kPipeline, {"c"});
  GoBackToSchema(1);
  Open();
  EXPECT_EQ(engine_->GetRun(first)->retry_of, "");
  const std::string id = Retry(first);
  EXPECT_EQ(WaitForEnd(id).state, RunState::kSucceeded);
  EXPECT_EQ(machine_.LaunchesOf("c"), 1);
}

}  // namespace
}  // namespace regatta::flow

#include <gmock/gmock.h>

#include <filesystem>

#include "flow/catalog.h"
#include "flow/testing/engine_bench.h"

namespace regatta::flow {
namespace {

using testing::EngineTest;
using ::testing::HasSubstr;
using testing::Machine;

constexpr char kPipeline[] = R"(
name: kept
cache: {enable: true}
entry_points:
  a: {command: "x", artifacts: {output: [data]}}
  b: {deps: a, command: "x {{i}}", artifacts: {input: {i: "{{a.data}}"}}}
)";
// Takes `a` from the cache; its own step has to run.
constexpr char kOther[] = R"(
name: kept
cache: {enable: true}
entry_points:
  a: {command: "x", artifacts: {output: [data]}}
  c: {deps: a, command: "y {{i}}", artifacts: {input: {i: "{{a.data}}"}}}
)";

class EngineDeleteTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    machine_.on_submit = [this](const job::JobSpec& spec) {
      const std::string step = Machine::StepOf(spec);
      if (step == held_) return job::JobState::kRunning;
      if (step == failing_) return job::JobState::kFailed;
      Machine::WriteOutputs(spec, step);
      return job::JobState::kSucceeded;
    };
    Open();
  }
  std::string FolderOf(const std::string& run_id) { return folder_ + "/state/runs/" + run_id; }
  std::int64_t RowsOf(const std::string& run_id) {
    std::int64_t count = 0;
    for (const char* from :
         {"flow_runs WHERE id", "flow_run_specs WHERE run_id", "flow_steps WHERE run_id",
          "flow_step_details WHERE run_id", "flow_cache WHERE run_id", "flow_metrics WHERE run_id",
          "flow_artifacts WHERE run_id", "flow_run_uses WHERE run_id",
          "flow_run_uses WHERE from_run_id", "flow_deleted_runs WHERE run_id"}) {
      count += store_->Read("SELECT COUNT(*) FROM " + std::string(from) + " = ?", {run_id})
                   ->at(0)
                   .Int(0);
    }
    return count;
  }
  std::string held_, failing_;
};

TEST_F(EngineDeleteTest, NothingIsLeftOfADeletedRun) {
  const std::string id = Run(kPipeline).id;
  ASSERT_TRUE(std::filesystem::exists(FolderOf(id)));
  ASSERT_GT(RowsOf(id), 5);
  const std::int64_t before = engine_->LastEventId();
  ASSERT_TRUE(engine_->DeleteRun(id, true).ok());
  EXPECT_EQ(RowsOf(id), 0);
  EXPECT_FALSE(std::filesystem::exists(FolderOf(id)));
  EXPECT_TRUE(absl::IsNotFound(engine_->GetRun(id).status()));
  EXPECT_TRUE(absl::IsNotFound(engine_->ListSteps(id, {}).status()));
  EXPECT_EQ(engine_->ListRuns({})->total, 0);
  const auto events = engine_->EventsAfter(before, "", 10);
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ(events->at(0).type, "run_deleted");
  EXPECT_EQ(events->at(0).data, "{\"id\":\"" + id + "\"}");
  EXPECT_TRUE(absl::IsNotFound(engine_->DeleteRun(id, true)));
  Close();
  Open();
  EXPECT_EQ(engine_->ListRuns({})->total, 0);
}

TEST_F(EngineDeleteTest, TheNextRunOfADeletedOneRunsItsStepsAndSaysWhy) {
  const std::string first = Run(kPipeline).id;
  ASSERT_TRUE(engine_->DeleteRun(first, true).ok());
  const std::string second = Run(kPipeline).id;
  EXPECT_EQ(States(second), "a=succeeded b=succeeded");
  EXPECT_THAT(Step(second, "a").reason, HasSubstr("was deleted"));
}

TEST_F(EngineDeleteTest, OnlyARunThatHasEndedCanBeDeleted) {
  held_ = "a";
  const std::string id = Create(kPipeline);
  ASSERT_TRUE(WaitForState(id, "a", StepState::kRunning));
  const absl::Status refused = engine_->DeleteRun(id, false);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(refused.message(), HasSubstr("is running; only a run that has ended"));
  held_.clear();
  machine_.Finish("a", job::JobState::kSucceeded);
  WaitForEnd(id);
  EXPECT_TRUE(engine_->DeleteRun(id, false).ok());
  EXPECT_TRUE(absl::IsNotFound(engine_->DeleteRun("01aaaaaaaaaaaaaaaaaaaaaaaa", false)));
}

TEST_F(EngineDeleteTest, WhoTookResultsFromTheCacheIsNamedAndMayBeOverruled) {
  const std::string first = Run(kPipeline).id;
  RunRequest request = Request(kOther);
  request.name = "taker";
  const std::string second = Run(request).id;
  ASSERT_EQ(States(second), "a=succeeded(cached) c=succeeded");
  const absl::Status refused = engine_->DeleteRun(first, true);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(refused.message(), HasSubstr("taker (" + second + ")"));
  EXPECT_THAT(refused.message(), HasSubstr("check_cache=false"));
  EXPECT_TRUE(std::filesystem::exists(FolderOf(first)));

  ASSERT_TRUE(engine_->DeleteRun(first, false).ok());
  EXPECT_EQ(RowsOf(first), 0);
  // What is left of the taker: its step, without the file; no step is given what is gone.
  EXPECT_EQ(engine_->GetStep(second, Step(second, "a").id)->outputs[0].kind, "file");
  EXPECT_TRUE(
      absl::IsNotFound(engine_->ArtifactFile(second, Step(second, "a").id, "data", "").status()));
  EXPECT_EQ(States(Run(kPipeline).id), "a=succeeded b=succeeded");
  EXPECT_TRUE(engine_->DeleteRun(second, true).ok());
}

TEST_F(EngineDeleteTest, ARunThatOnlyGaveToDeletedRunsIsFree) {
  const std::string first = Run(kPipeline).id;
  const std::string second = Run(kPipeline).id;
  ASSERT_TRUE(absl::IsFailedPrecondition(engine_->DeleteRun(first, true)));
  ASSERT_TRUE(engine_->DeleteRun(second, true).ok());
  EXPECT_TRUE(engine_->DeleteRun(first, true).ok());
}

TEST_F(EngineDeleteTest, AnUnfinishedTakerIsNotOverruled) {
  const std::string first = Run(kPipeline).id;
  held_ = "c";
  const std::string second = Create(kOther);
  ASSERT_TRUE(WaitForState(second, "c", StepState::kRunning));
  for (const bool check : {true, false}) {
    const absl::Status refused = engine_->DeleteRun(first, check);
    EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << check;
    EXPECT_THAT(refused.message(), HasSubstr("used by unfinished runs: kept (" + second + ")"));
  }
  // The next owner has not seen it take anything, and knows.
  Close();
  Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(engine_->DeleteRun(first, false)));
  machine_.Finish("c", job::JobState::kSucceeded);
  WaitForEnd(second);
  EXPECT_TRUE(engine_->DeleteRun(first, false).ok());
}

TEST_F(EngineDeleteTest, ARetryKeepsTheRunsWhoseResultsItHasTaken) {
  failing_ = "b";
  const std::string failed = Run(kPipeline).id;
  const std::string again = WaitForEnd(engine_->RetryRun({.run_id = failed})->id).id;
  failing_.clear();
  const std::string last = WaitForEnd(engine_->RetryRun({.run_id = again})->id).id;
  ASSERT_EQ(States(last), "a=succeeded b=succeeded");
  // `a` lies in the first run's folder; the one in the middle has given nothing.
  EXPECT_TRUE(engine_->DeleteRun(again, true).ok());
  const absl::Status refused = engine_->DeleteRun(failed, true);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(refused.message(), HasSubstr(last));
}

TEST_F(EngineDeleteTest, ARetryOfARunWhoseGiverIsGoneRunsAgainWhatIsMissing) {
  const std::string first = Run(kPipeline).id;
  failing_ = "c";
  const std::string second = Run(kOther).id;
  ASSERT_EQ(States(second), "a=succeeded(cached) c=failed");
  ASSERT_TRUE(engine_->DeleteRun(first, false).ok());
  failing_.clear();
  const std::string third = WaitForEnd(engine_->RetryRun({.run_id = second})->id).id;
  EXPECT_EQ(States(third), "a=succeeded c=succeeded");
}

TEST_F(EngineDeleteTest, DeletingWhileOthersTakeResultsNeverLeavesAWrongOne) {
  std::vector<std::string> runs;
  for (int round = 0; round < 12; ++round) {
    const std::string giver = Run(kPipeline).id;
    // The new run asks the cache while the giver is being deleted.
    const std::string taker = Create(kOther);
    const absl::Status deleted = engine_->DeleteRun(giver, false);
    WaitForEnd(taker);
    const StepDetail a = Step(taker, "a");
    ASSERT_EQ(a.state, StepState::kSucceeded);
    EXPECT_TRUE(deleted.ok() || absl::IsFailedPrecondition(deleted)) << deleted;
    if (a.cached && a.cache.from_run_id == giver && deleted.ok()) {
      // It had ended before the giver was deleted.
      EXPECT_FALSE(std::filesystem::exists(a.outputs[0].path));
    } else {
      EXPECT_TRUE(std::filesystem::exists(a.outputs[0].path)) << round;
    }
    ASSERT_TRUE(engine_->DeleteRun(taker, false).ok());
    if (!deleted.ok()) {
      ASSERT_TRUE(engine_->DeleteRun(giver, false).ok());
    }
  }
  EXPECT_EQ(engine_->ListRuns({})->total, 0);
}

TEST_F(EngineDeleteTest, WhoOnlyLooksDeletesNothing) {
  const std::string id = Run(kPipeline).id;
  auto looker = Engine::OpenToLook(store_.get());
  ASSERT_TRUE(looker.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition((*looker)->DeleteRun(id, true)));
  EXPECT_TRUE(engine_->GetRun(id).ok());
}

}  // namespace
}  // namespace regatta::flow

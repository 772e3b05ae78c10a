#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/run_view.h"

namespace regatta::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

base::Json Step(const std::string& id, const std::string& name, const std::string& state) {
  return {{"id", id}, {"name", name}, {"node", name}, {"kind", "step"}, {"state", state}};
}

TEST(Render, StepsShowStateTimeAndWhy) {
  RunModel model;
  base::Json cached = Step("1", "prepare", "succeeded");
  cached["cached"] = true;
  cached["reason"] = "unchanged since run X";
  model.SetStep(cached);
  base::Json failed = Step("2", "train", "failed");
  failed["reason"] = "rank 1 was killed by SIGKILL";
  failed["started_at"] = 1'000'000;
  failed["finished_at"] = 3'500'000;
  model.SetStep(failed);
  const auto lines = RenderSummary(model, Terminal{}, 9'000'000);
  EXPECT_THAT(lines, ElementsAre(AllOf(HasSubstr("prepare"), HasSubstr("cached"),
                                       HasSubstr("unchanged since run X")),
                                 AllOf(HasSubstr("train"), HasSubstr("failed"), HasSubstr("2.5 s"),
                                       HasSubstr("rank 1 was killed by SIGKILL"))));
}

TEST(Render, ChildrenStandBelowTheirDag) {
  RunModel model;
  base::Json dag = Step("1", "outer", "running");
  dag["kind"] = "dag";
  model.SetStep(dag);
  base::Json child = Step("2", "inner", "running");
  child["parent_id"] = "1";
  model.SetStep(Step("3", "after", "pending"));
  model.SetStep(child);
  const auto lines = RenderTree(model, Terminal{}, 0);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], HasSubstr("* outer"));
  EXPECT_THAT(lines[1], HasSubstr("*   inner"));
  EXPECT_THAT(lines[2], HasSubstr(". after"));
}

TEST(Render, IterationsStandTogetherAndThePostProcessStepLast) {
  RunModel model;
  const auto add = [&](const char* id, const char* name, const char* node, int index) {
    base::Json step = Step(id, name, "succeeded");
    step["node"] = node;
    if (index >= 0) step["loop_index"] = index;
    model.SetStep(step);
  };
  add("1", "train", "train", 0);
  base::Json report = Step("2", "report", "succeeded");
  report["kind"] = "post_process";
  model.SetStep(report);
  add("3", "select", "select", -1);
  add("4", "train-1", "train", 1);
  EXPECT_THAT(RenderSummary(model, Terminal{}, 0),
              ElementsAre(HasSubstr("train "), HasSubstr("train-1"), HasSubstr("select"),
                          HasSubstr("report")));
}

TEST(Render, LoopsOfManyIterationsAreOneLine) {
  RunModel model;
  for (int i = 0; i < 50; ++i) {
    base::Json step =
        Step(absl::StrCat(i), absl::StrCat("train-", i), i < 30 ? "succeeded" : "running");
    step["node"] = "train";
    step["loop_index"] = i;
    model.SetStep(step);
  }
  EXPECT_THAT(RenderTree(model, Terminal{}, 0),
              ElementsAre(HasSubstr("50 iterations: 20 running, 30 succeeded")));
}

TEST(Render, FitsSmallScreensAndKeepsWhatRuns) {
  RunModel model;
  for (int i = 0; i < 100; ++i) {
    model.SetStep(
        Step(absl::StrCat(i), absl::StrCat("step", i), i == 60 ? "running" : "succeeded"));
  }
  const Terminal small{.width = 30, .height = 10};
  const auto lines = RenderTree(model, small, 0);
  EXPECT_LE(lines.size(), 8u);
  bool running = false;
  for (const std::string& line : lines) {
    EXPECT_LT(ColumnsOf(line), 30) << line;
    running = running || line.find("step60") != std::string::npos;
  }
  EXPECT_TRUE(running);
  EXPECT_THAT(lines.back(), HasSubstr("more"));
}

TEST(RunModel, EventsOlderThanTheSnapshotChangeNothing) {
  RunModel model;
  EXPECT_TRUE(model.SetStep(Step("1", "train", "succeeded")));
  EXPECT_FALSE(model.SetStep(Step("1", "train", "running")));
  EXPECT_EQ(model.Find("1")->state, "succeeded");
  model.SetRun({{"state", "failed"}});
  model.SetRun({{"state", "running"}});
  EXPECT_EQ(model.state(), "failed");
}

TEST(RunModel, MetricsOfTheLatestEpochAreSpelled) {
  RunModel model;
  model.SetStep(Step("1", "train", "running"));
  const auto metric = [](const char* name, double value, int epoch) {
    return base::Json{
        {"step_id", "1"}, {"name", name}, {"point", {{"value", value}, {"step", epoch}}}};
  };
  EXPECT_TRUE(model.SetMetric(metric("loss", 0.5, 1)));
  EXPECT_TRUE(model.SetMetric(metric("accuracy", 0.9, 1)));
  EXPECT_EQ(model.Find("1")->metrics, "[1] accuracy=0.9 loss=0.5");
  EXPECT_TRUE(model.SetMetric(metric("loss", 0.25, 2)));
  EXPECT_EQ(model.Find("1")->metrics, "[2] loss=0.25");
  EXPECT_FALSE(model.SetMetric({{"step_id", "9"}}));
}

// A quick step can be over before the client asks for the first time.
TEST(PlainView, AStepThatIsOverAtFirstSightHasALineForItsStart) {
  RunModel model;
  base::Json quick = Step("1", "quick", "succeeded");
  quick["reason"] = "never ran before";
  quick["started_at"] = 1'000'000;
  quick["finished_at"] = 1'004'000;
  base::Json failed = quick;
  failed.update({{"id", "2"}, {"name", "failed"}, {"state", "failed"}, {"reason", "exit code 3"}});
  base::Json cached = quick;
  cached.update({{"id", "3"}, {"name", "cached"}, {"cached", true}, {"reason", "unchanged"}});
  base::Json slow = Step("4", "slow", "running");
  slow["reason"] = "its command changed";
  slow["started_at"] = 1'000'000;
  const auto view = NewPlainView();
  testing::internal::CaptureStdout();
  for (const base::Json& step : {quick, failed, cached, slow}) {
    model.SetStep(step);
    view->OnStep(model, *model.Find(step.value("id", "")));
  }
  slow["state"] = "succeeded";
  slow["finished_at"] = 2'000'000;
  model.SetStep(slow);
  view->OnStep(model, *model.Find("4"));
  std::vector<std::string> lines = absl::StrSplit(testing::internal::GetCapturedStdout(), '\n');
  for (std::string& line : lines) line.erase(0, sizeof "HH:MM:SS");
  EXPECT_THAT(lines, ElementsAre("quick running: never ran before", "quick succeeded after 4 ms",
                                 "failed running", "failed failed after 4 ms: exit code 3",
                                 "cached cached: unchanged", "slow running: its command changed",
                                 "slow succeeded after 1.0 s", ""));
}

}  // namespace
}  // namespace regatta::cli

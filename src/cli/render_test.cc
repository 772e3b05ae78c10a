#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
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

}  // namespace
}  // namespace regatta::cli

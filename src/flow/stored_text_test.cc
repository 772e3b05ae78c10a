#include "flow/stored_text.h"

#include <gtest/gtest.h>

#include "flow/records.h"
#include "flow/step_start.h"

namespace regatta::flow {
namespace {

using base::Json;

TEST(StoredText, TellsAStepAsTheApiDoes) {
  StepView step;
  step.id = "01h";
  step.run_id = "01g";
  step.name = step.node = "train \"x\" \n 百";
  step.kind = "step";
  step.deps = {"a", "b"};
  step.created_at = 7;
  EXPECT_EQ(Json::parse(EventText(step)), ToJson(step));

  step.parent_id = "01f";
  step.state = StepState::kFailed;
  step.cached = true;
  step.reason = "it failed";
  step.loop_index = 3;
  step.loop_argument = Json::array({1, 2.5, "x"});
  step.replicas = 2;
  step.started_at = 8;
  step.finished_at = 9;
  step.last_metrics["loss"] = {0.25, 4, 8};
  step.last_metrics["nan"] = {std::nullopt, std::nullopt, 9};
  EXPECT_EQ(Json::parse(EventText(step)), ToJson(step));
}

TEST(StoredText, KeepsAJobAsItWas) {
  job::JobSpec spec;
  spec.id = "01h";
  spec.name = "run.step";
  spec.project = "p";
  spec.created_by = "ada";
  spec.framework = job::Framework::kPaddle;
  job::Role& role = spec.roles.emplace_back();
  role.name = "ps";
  role.replicas = 2;
  role.argv = {"sh", "-c", "echo \"a\"\n"};
  role.env = {{"A", "1"}};
  role.image = "img";
  role.resources = {0.5, 1 << 20};
  spec.env = {{"B", "ü"}};
  spec.working_directory = "/w";
  spec.directory = "/d";
  spec.python_imports = {"torch"};
  spec.folders.push_back({.path = "/a", .inside = "/b", .read_only = true});
  spec.grace = std::chrono::milliseconds(1500);
  spec.timeout = std::chrono::milliseconds(60'000);

  const job::JobSpec read = JobSpecFrom(JsonColumn(JobSpecText(spec)));
  EXPECT_EQ(JobSpecText(read), JobSpecText(spec));
  EXPECT_EQ(read.framework, spec.framework);
  ASSERT_EQ(read.roles.size(), 1u);
  EXPECT_EQ(read.roles[0].argv, spec.roles[0].argv);
  EXPECT_EQ(read.roles[0].env, spec.roles[0].env);
  EXPECT_EQ(read.roles[0].replicas, 2);
  EXPECT_EQ(read.roles[0].resources.cpus, 0.5);
  EXPECT_EQ(read.roles[0].resources.memory_bytes, 1 << 20);
  EXPECT_EQ(read.env, spec.env);
  EXPECT_EQ(read.directory, spec.directory);
  EXPECT_EQ(read.python_imports, spec.python_imports);
  ASSERT_EQ(read.folders.size(), 1u);
  EXPECT_EQ(read.folders[0].inside, "/b");
  EXPECT_TRUE(read.folders[0].read_only);
  EXPECT_EQ(read.grace, spec.grace);
  EXPECT_EQ(read.timeout, spec.timeout);
}

TEST(StoredText, KeepsOutputsAsTheyWere) {
  const std::map<std::string, ArtifactList> outputs = {
      {"model", {{"/a b", "file", "sha256:1", 5}, {"/c", "folder", "sha256:2", 0}}}, {"none", {}}};
  EXPECT_EQ(OutputsFromJson(JsonColumn(OutputsText(outputs))), outputs);
}

}  // namespace
}  // namespace regatta::flow

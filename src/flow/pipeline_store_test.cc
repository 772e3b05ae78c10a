#include "flow/pipeline_store.h"

#include <gmock/gmock.h>

#include "base/ulid.h"
#include "flow/testing/engine_bench.h"

namespace regatta::flow {
namespace {

using testing::EngineTest;
using ::testing::HasSubstr;

std::string Text(const std::string& command) {
  return "name: trainer\nentry_points:\n  a: {command: \"" + command + "\"}\n";
}

class PipelineStoreTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    Open();
    pipelines_ = std::make_unique<PipelineStore>(store_.get());
  }
  PipelineView Make(const std::string& name, const std::string& command = "one") {
    auto made =
        pipelines_->Create({.created_by = "ada", .name = name, .yaml = Text(command)}, nullptr);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *made : PipelineView{};
  }
  absl::StatusOr<AddedVersion> Add(const std::string& pipeline, const std::string& command) {
    return pipelines_->AddVersion({.pipeline = pipeline, .yaml = Text(command)}, nullptr);
  }
  std::unique_ptr<PipelineStore> pipelines_;
};

TEST_F(PipelineStoreTest, TakesTheNameOfTheTextAndKeepsItsFirstVersion) {
  const PipelineView made = Make("");
  EXPECT_EQ(made.name, "trainer");
  EXPECT_EQ(made.versions, 1);
  EXPECT_EQ(made.latest.version, 1);
  EXPECT_EQ(made.latest.yaml, Text("one"));
  for (const std::string& by : std::vector<std::string>{made.id, made.name}) {
    const auto got = pipelines_->Get("default", by);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->id, made.id);
    EXPECT_EQ(got->created_by, "ada");
  }
  EXPECT_TRUE(absl::IsNotFound(pipelines_->Get("other", made.id).status()));
}

TEST_F(PipelineStoreTest, TellsEveryProblemOfABadTextAndStoresNothing) {
  std::vector<Problem> problems;
  const auto made = pipelines_->Create(
      {.yaml = "name: bad\nentry_points:\n  a: {deps: b}\n  c: {comand: x}\n"}, &problems);
  EXPECT_TRUE(absl::IsInvalidArgument(made.status()));
  EXPECT_GE(problems.size(), 3u);
  EXPECT_EQ(pipelines_->List({})->total, 0);
  EXPECT_THAT(
      pipelines_->Create({.name = "no name", .yaml = Text("x")}, nullptr).status().message(),
      HasSubstr("is no name for a pipeline"));
}

TEST_F(PipelineStoreTest, ANameBelongsToOnePipeline) {
  const PipelineView first = Make("p");
  const auto second = pipelines_->Create({.name = "p", .yaml = Text("two")}, nullptr);
  EXPECT_TRUE(absl::IsAlreadyExists(second.status()));
  EXPECT_THAT(second.status().message(), HasSubstr(first.id));
  // The same id again is the same request again; another project has names of its own.
  EXPECT_EQ(pipelines_->Create({.id = first.id, .name = "p", .yaml = Text("one")}, nullptr)->id,
            first.id);
  EXPECT_TRUE(
      pipelines_->Create({.project = "other", .name = "p", .yaml = Text("one")}, nullptr).ok());
}

TEST_F(PipelineStoreTest, AddsAVersionOnlyWhenTheTextIsNotTheNewest) {
  const PipelineView made = Make("p");
  EXPECT_FALSE(Add("p", "one")->added);
  EXPECT_TRUE(Add("p", "two")->added);
  const auto back = Add(made.id, "one");
  EXPECT_TRUE(back->added);
  EXPECT_EQ(back->version.version, 3);
  EXPECT_EQ(pipelines_->GetVersion("default", "p", 0)->version, 3);
  EXPECT_EQ(pipelines_->GetVersion("default", "p", 2)->yaml, Text("two"));
  EXPECT_TRUE(absl::IsNotFound(pipelines_->GetVersion("default", "p", 4).status()));
  EXPECT_TRUE(absl::IsNotFound(Add("q", "one").status()));
}

TEST_F(PipelineStoreTest, ANumberIsNotUsedAgainAndTheLastVersionStays) {
  Make("p");
  ASSERT_TRUE(Add("p", "two")->added);
  ASSERT_TRUE(pipelines_->DeleteVersion("default", "p", 2).ok());
  EXPECT_TRUE(absl::IsNotFound(pipelines_->DeleteVersion("default", "p", 2)));
  EXPECT_EQ(pipelines_->Get("default", "p")->latest.version, 1);
  EXPECT_EQ(Add("p", "three")->version.version, 3);
  ASSERT_TRUE(pipelines_->DeleteVersion("default", "p", 1).ok());
  const absl::Status last = pipelines_->DeleteVersion("default", "p", 3);
  EXPECT_TRUE(absl::IsFailedPrecondition(last));
  EXPECT_THAT(last.message(), HasSubstr("delete the pipeline instead"));
}

TEST_F(PipelineStoreTest, ARunRemembersItsPipelineAndKeepsItFromBeingDeleted) {
  machine_.on_submit = [](const job::JobSpec&) { return job::JobState::kRunning; };
  const PipelineView made = Make("p");
  ASSERT_TRUE(Add("p", "two")->added);
  RunRequest request = Request(Text("one"));
  request.pipeline_id = made.id;
  request.pipeline_version = 1;
  const std::string run_id = Create(request);
  const absl::Status refused = pipelines_->Delete("default", "p").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(refused.message(), HasSubstr(run_id));
  EXPECT_TRUE(absl::IsFailedPrecondition(pipelines_->DeleteVersion("default", "p", 1)));
  EXPECT_TRUE(pipelines_->DeleteVersion("default", "p", 2).ok());

  machine_.Finish("a", job::JobState::kSucceeded);
  WaitForEnd(run_id);
  EXPECT_EQ(*pipelines_->Delete("default", "p"), made.id);
  EXPECT_TRUE(absl::IsNotFound(pipelines_->Delete("default", "p").status()));
  const auto run = engine_->GetRun(run_id);
  EXPECT_EQ(run->pipeline_id, made.id);
  EXPECT_EQ(run->pipeline_version, 1);
  EXPECT_EQ(run->yaml, Text("one"));
  Create(Request(Text("other")));
  EXPECT_EQ(engine_->ListRuns({.pipeline_id = made.id})->total, 1);
  EXPECT_EQ(engine_->ListRuns({.pipeline_id = made.id, .pipeline_version = 2})->total, 0);
  EXPECT_EQ(engine_->ListRuns({.pipeline = "trainer", .created_by = "ada"})->total, 2);
  EXPECT_EQ(engine_->ListRuns({.created_by = "bob"})->total, 0);
}

TEST_F(PipelineStoreTest, PagesMeetEveryPipelineOnceInEachOrder) {
  for (const char* name : {"b", "a", "d", "c", "e"}) Make(name);
  ASSERT_TRUE(Add("a", "two")->added);
  for (const std::string sort : {"name", "created_at", "updated_at"}) {
    for (const bool descending : {false, true}) {
      std::vector<std::string> names;
      PipelineFilter filter{.sort = sort, .descending = descending, .limit = 2};
      do {
        const auto page = pipelines_->List(filter);
        ASSERT_TRUE(page.ok()) << page.status();
        EXPECT_EQ(page->total, 5);
        for (const PipelineView& pipeline : page->items) names.push_back(pipeline.name);
        filter.cursor = page->next_cursor;
      } while (!filter.cursor.empty());
      std::vector<std::string> want = {"b", "a", "d", "c", "e"};
      if (sort == "name") want = {"a", "b", "c", "d", "e"};
      if (sort == "updated_at") want = {"b", "d", "c", "e", "a"};
      if (descending) std::reverse(want.begin(), want.end());
      EXPECT_EQ(names, want) << sort << descending;
    }
  }
  EXPECT_TRUE(absl::IsInvalidArgument(pipelines_->List({.cursor = "x"}).status()));
  EXPECT_EQ(pipelines_->List({.name = "A"})->total, 1);
}

TEST_F(PipelineStoreTest, ListsVersionsNewestFirst) {
  Make("p");
  for (const char* command : {"two", "three"}) ASSERT_TRUE(Add("p", command)->added);
  const auto first = pipelines_->ListVersions("default", "p", 2, "");
  ASSERT_EQ(first->items.size(), 2u);
  EXPECT_EQ(first->total, 3);
  EXPECT_EQ(first->items[0].version, 3);
  EXPECT_TRUE(first->items[0].yaml.empty());
  const auto rest = pipelines_->ListVersions("default", "p", 2, first->next_cursor);
  ASSERT_EQ(rest->items.size(), 1u);
  EXPECT_EQ(rest->items[0].version, 1);
  EXPECT_TRUE(rest->next_cursor.empty());
}

}  // namespace
}  // namespace regatta::flow

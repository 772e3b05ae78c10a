#include "flow/catalog.h"

#include <gmock/gmock.h>

#include <set>

#include "flow/testing/engine_bench.h"

namespace regatta::flow {
namespace {

using ::testing::ElementsAre;
using testing::EngineTest;
using ::testing::HasSubstr;
using testing::Machine;

constexpr char kPipeline[] = R"(
name: cached
cache: {enable: true}
entry_points:
  a: {command: "x", artifacts: {output: [data, extra]}}
  b: {deps: a, command: "x {{i}}", artifacts: {input: {i: "{{a.data}}"}, output: [model]}}
)";

class CatalogTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    machine_.on_submit = [](const job::JobSpec& spec) {
      Machine::WriteOutputs(spec, Machine::StepOf(spec));
      return job::JobState::kSucceeded;
    };
    Open();
    catalog_ = std::make_unique<Catalog>(store_.get());
  }
  ArtifactPage Artifacts(const ArtifactFilter& filter) {
    const auto page = catalog_->ListArtifacts(filter);
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() ? *page : ArtifactPage{};
  }
  // "step.name" of each, in order.
  std::vector<std::string> Names(ArtifactFilter filter) {
    std::vector<std::string> names;
    do {
      const ArtifactPage page = Artifacts(filter);
      for (const auto& item : page.items) {
        names.push_back(item.step_name + "." + item.artifact.name);
      }
      filter.cursor = page.next_cursor;
    } while (!filter.cursor.empty());
    return names;
  }
  std::unique_ptr<Catalog> catalog_;
};

TEST_F(CatalogTest, ListsOutputsWithTheirProducerAndPagesOverThem) {
  const std::string run = Run(kPipeline).id;
  EXPECT_THAT(Names({.limit = 1}), ElementsAre("b.model", "a.extra", "a.data"));
  EXPECT_EQ(Artifacts({}).total, 3);
  const ListedArtifact model = Artifacts({.name = "model"}).items.at(0);
  EXPECT_EQ(model.run_id, run);
  EXPECT_EQ(model.step_id, Step(run, "b").id);
  EXPECT_EQ(model.artifact.bytes, 1);
  EXPECT_EQ(model.artifact.digest, Step(run, "b").outputs[0].digest);
  EXPECT_TRUE(model.from_run_id.empty());
  EXPECT_THAT(Names({.step = "a"}), ElementsAre("a.extra", "a.data"));
  EXPECT_THAT(Names({.digest = model.artifact.digest}), ElementsAre("b.model"));
  EXPECT_THAT(Names({.kind = "folder"}), ElementsAre());
  EXPECT_THAT(Names({.run_id = run, .step = "a", .name = "data"}), ElementsAre("a.data"));
  EXPECT_THAT(Names({.project = "other"}), ElementsAre());
}

TEST_F(CatalogTest, NamesTheWriterOfWhatWasTakenFromTheCache) {
  const std::string first = Run(kPipeline).id;
  const std::string second = Run(kPipeline).id;
  ASSERT_EQ(States(second), "a=succeeded(cached) b=succeeded(cached)");
  const ArtifactPage page = Artifacts({.run_id = second, .step = "b"});
  ASSERT_EQ(page.items.size(), 1u);
  EXPECT_EQ(page.items[0].from_run_id, first);
  EXPECT_EQ(page.items[0].from_step_id, Step(first, "b").id);
  const auto one = catalog_->GetArtifact(second, Step(second, "b").id, "model");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->artifact.media_type, "text/plain");
  EXPECT_TRUE(
      absl::IsNotFound(catalog_->GetArtifact(second, Step(second, "b").id, "other").status()));
}

TEST_F(CatalogTest, ListsWhatRunsOfAnEarlierVersionLeft) {
  const std::string first = Run(kPipeline).id;
  const std::string second = Run(kPipeline).id;
  const auto names = Names({});
  GoBackToSchema(2);
  Open();
  catalog_ = std::make_unique<Catalog>(store_.get());
  EXPECT_EQ(Names({}), names);
  EXPECT_EQ(Artifacts({.run_id = second}).items.at(0).from_run_id, first);
  EXPECT_TRUE(absl::IsFailedPrecondition(engine_->DeleteRun(first, true)));
  EXPECT_TRUE(store_->Read("SELECT run_id FROM flow_unlisted_runs")->empty());
}

TEST_F(CatalogTest, ADeletedCacheEntryMakesTheNextRunMiss) {
  const std::string first = Run(kPipeline).id;
  const auto page = catalog_->ListCaches({.run_id = first, .limit = 1});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->total, 2);
  const auto rest = catalog_->ListCaches({.limit = 1, .cursor = page->next_cursor});
  ASSERT_EQ(rest->items.size(), 1u);
  EXPECT_EQ(rest->items[0].step_name, "a");
  EXPECT_EQ(rest->items[0].outputs.size(), 2u);
  EXPECT_TRUE(rest->next_cursor.empty());

  const CacheEntry entry = page->items.at(0);
  EXPECT_EQ(entry.step_name, "b");
  EXPECT_EQ(entry.run_id, first);
  EXPECT_EQ(entry.key, Step(first, "b").cache.key);
  EXPECT_EQ(catalog_->ListCaches({.key = entry.key})->total, 1);
  EXPECT_EQ(catalog_->GetCache("default", entry.id)->key, entry.key);
  ASSERT_TRUE(catalog_->DeleteCache("default", entry.id).ok());
  EXPECT_TRUE(absl::IsNotFound(catalog_->DeleteCache("default", entry.id)));
  EXPECT_TRUE(absl::IsNotFound(catalog_->GetCache("default", entry.id).status()));
  const std::string second = Run(kPipeline).id;
  EXPECT_EQ(States(second), "a=succeeded(cached) b=succeeded");
  EXPECT_THAT(Step(second, "b").reason,
              HasSubstr("the result of its last run, in run cached, was deleted"));
  EXPECT_EQ(catalog_->ListCaches({.step = "b"})->items.at(0).run_id, second);
}

}  // namespace
}  // namespace regatta::flow

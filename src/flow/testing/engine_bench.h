#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "flow/engine.h"
#include "flow/testing/scripted_executor.h"
#include "store/store.h"

namespace regatta::flow::testing {

// An engine on a real SQLite file in a folder of its own, with a scripted machine.
class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/regatta-flow-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    std::filesystem::create_directory(folder_ + "/pipeline");
  }
  void TearDown() override {
    Close();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void Open(TakeUp take_up = TakeUp::kAll) {
    if (store_ == nullptr) {
      auto store =
          store::Store::Open({.url = "sqlite://" + folder_ + "/regatta.db"}, {Engine::Schema()});
      ASSERT_TRUE(store.ok()) << store.status();
      store_ = *std::move(store);
    }
    EngineOptions options;
    options.store = store_.get();
    options.folder = folder_ + "/state";
    options.take_up = take_up;
    options.file_systems = file_systems_;
    options.most_steps = most_steps_;
    options.make_executor =
        [this](base::EventSink* sink) -> absl::StatusOr<std::unique_ptr<job::Executor>> {
      if (local_) return job::NewLocalExecutor({.cpus = 2}, sink);
      if (noop_) return job::NewNoopExecutor(sink);
      return std::make_unique<ScriptedExecutor>(&machine_, sink);
    };
    auto engine = Engine::Open(std::move(options));
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    token_ = engine_->Listen([this] {
      const std::lock_guard lock(mutex_);
      ++commits_;
      changed_.notify_all();
    });
  }

  void Close() {
    if (engine_ != nullptr) engine_->Unlisten(token_);
    engine_.reset();
  }

  // Closes and leaves the store as a program that knew `version` (1 or 2) of the tables would have.
  void GoBackToSchema(std::int64_t version) {
    Close();
    std::vector<std::string> statements = {"CREATE INDEX flow_runs_search ON flow_runs (project)",
                                           "DROP TABLE flow_pipelines",
                                           "DROP TABLE flow_pipeline_versions",
                                           "DROP TABLE flow_artifacts",
                                           "DROP TABLE flow_run_uses",
                                           "DROP TABLE flow_deleted_runs",
                                           "DROP TABLE flow_unlisted_runs",
                                           "DROP INDEX flow_runs_pipeline",
                                           "DROP INDEX flow_cache_run",
                                           "DROP INDEX flow_cache_finished",
                                           "ALTER TABLE flow_runs DROP COLUMN pipeline_id",
                                           "ALTER TABLE flow_runs DROP COLUMN pipeline_version"};
    if (version < 2) statements.push_back("ALTER TABLE flow_runs DROP COLUMN retry_of");
    auto transaction = store_->Begin();
    ASSERT_TRUE(transaction.ok());
    for (const std::string& sql : statements) {
      ASSERT_TRUE(transaction->Execute(sql).ok()) << sql;
    }
    ASSERT_TRUE(
        transaction
            ->Execute("DELETE FROM schema_versions WHERE room = 'flow' AND version > ?", {version})
            .ok());
    ASSERT_TRUE(transaction->Commit().ok());
    store_.reset();
  }

  RunRequest Request(const std::string& yaml) {
    RunRequest request;
    request.yaml = yaml;
    request.created_by = "ada";
    request.working_directory = folder_ + "/pipeline";
    return request;
  }

  std::string Create(const RunRequest& request) {
    auto created = engine_->CreateRun(request, nullptr);
    EXPECT_TRUE(created.ok()) << created.status();
    return created.ok() ? created->run.id : "";
  }
  std::string Create(const std::string& yaml) { return Create(Request(yaml)); }

  // Looks after each commit until `done` is true.
  bool WaitUntil(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    std::unique_lock lock(mutex_);
    while (true) {
      const int seen = commits_;
      lock.unlock();
      if (done()) return true;
      lock.lock();
      if (!changed_.wait_until(lock, deadline, [&] { return commits_ != seen; })) return false;
    }
  }

  RunDetail WaitForEnd(const std::string& run_id) {
    RunDetail run;
    EXPECT_TRUE(WaitUntil([&] {
      auto got = engine_->GetRun(run_id);
      if (got.ok()) run = *got;
      return got.ok() && IsFinal(run.state);
    })) << "run did not end: "
        << States(run_id);
    return run;
  }
  RunDetail Run(const RunRequest& request) { return WaitForEnd(Create(request)); }
  RunDetail Run(const std::string& yaml) { return Run(Request(yaml)); }

  bool WaitForState(const std::string& run_id, const std::string& step, StepState state) {
    return WaitUntil([&] { return Step(run_id, step).state == state; });
  }

  std::map<std::string, StepView> Steps(const std::string& run_id) {
    std::map<std::string, StepView> steps;
    std::string cursor;
    do {
      auto page = engine_->ListSteps(run_id, {.limit = 1000, .cursor = cursor});
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      for (const StepView& step : page->items) steps[step.name] = step;
      cursor = page->next_cursor;
    } while (!cursor.empty());
    return steps;
  }
  StepDetail Step(const std::string& run_id, const std::string& name) {
    const auto steps = Steps(run_id);
    const auto it = steps.find(name);
    if (it == steps.end()) return {};
    auto detail = engine_->GetStep(run_id, it->second.id);
    EXPECT_TRUE(detail.ok()) << detail.status();
    return detail.ok() ? *detail : StepDetail{};
  }
  // "a=succeeded b=skipped", by name.
  std::string States(const std::string& run_id) {
    std::string text;
    for (const auto& [name, step] : Steps(run_id)) {
      if (!text.empty()) text += ' ';
      text += name + "=" + StateName(step.state) + (step.cached ? "(cached)" : "");
    }
    return text;
  }

  void WriteFile(const std::string& name, const std::string& content) {
    std::ofstream(folder_ + "/pipeline/" + name) << content;
  }

  std::string folder_;
  std::int64_t most_steps_ = 250'000;
  bool noop_ = false;
  bool local_ = false;  // real processes
  FileSystemFolders file_systems_;
  Machine machine_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Engine> engine_;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int commits_ = 0;
  std::int64_t token_ = 0;
};

}  // namespace regatta::flow::testing

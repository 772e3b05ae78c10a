#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/json.h"
#include "job/executor.h"

namespace regatta::flow::testing {

// What an executor did, kept apart from it so that a test can close an engine and open the next on
// the same "machine": jobs live on in between, as processes do.
class Machine {
 public:
  // Decides a job when it is submitted; kRunning leaves it to Finish. Default: succeeds, and writes
  // every output artifact with the step's name and parameters' command in it.
  std::function<job::JobState(const job::JobSpec&)> on_submit = [](const job::JobSpec& spec) {
    WriteOutputs(spec, spec.roles[0].argv.back());
    return job::JobState::kSucceeded;
  };

  static void WriteOutputs(const job::JobSpec& spec, const std::string& content) {
    for (const auto& [name, path] : spec.env) {
      if (name.rfind("PF_OUTPUT_ARTIFACT_", 0) == 0) std::ofstream(path) << content;
    }
  }

  static std::string StepOf(const job::JobSpec& spec) { return spec.env.at("PF_STEP_NAME"); }

  // Ends the running job of a step. A step is shown as running a moment before its job is
  // submitted, so this waits for that.
  void Finish(const std::string& step, job::JobState state, const std::string& message = "",
              bool vanished = false, std::int64_t metrics = 0) {
    std::string id;
    {
      std::unique_lock lock(mutex);
      const auto find = [&] {
        for (const auto& [job_id, status] : jobs) {
          if (StepOf(specs.at(job_id)) == step && !job::IsFinal(status.state)) id = job_id;
        }
        return !id.empty();
      };
      ASSERT_TRUE(submitted.wait_for(lock, std::chrono::seconds(20), find)) << step;
      if (state == job::JobState::kSucceeded) WriteOutputs(specs.at(id), step);
      jobs[id].state = state;
      jobs[id].message = message;
      jobs[id].vanished = vanished;
      jobs[id].metrics = metrics;
    }
    Tell(id);
  }

  void Metric(const std::string& step, const std::string& name, double value, std::int64_t at) {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(submitted.wait_for(lock, std::chrono::seconds(20), [&] {
      return std::find(launched.begin(), launched.end(), step) != launched.end();
    }));
    for (const auto& [job_id, spec] : specs) {
      if (StepOf(spec) != step || sink == nullptr) continue;
      sink->Publish(
          {"job.metric",
           job_id,
           1,
           {{"rank", 0}, {"name", name}, {"value", value}, {"step", at}, {"time", at + 1}}});
    }
  }

  void TellOf(const std::string& step) {
    std::string id;
    {
      const std::lock_guard lock(mutex);
      for (const auto& [job_id, spec] : specs) {
        if (StepOf(spec) == step) id = job_id;
      }
    }
    Tell(id);
  }

  void Tell(const std::string& id) {
    const std::lock_guard lock(mutex);
    if (sink != nullptr) sink->Publish({"job.status", id, base::NowMicros(), base::Json::object()});
  }

  std::vector<std::string> Launched() {
    const std::lock_guard lock(mutex);
    return launched;
  }
  int LaunchesOf(const std::string& step) {
    const std::lock_guard lock(mutex);
    return static_cast<int>(std::count(launched.begin(), launched.end(), step));
  }
  job::JobSpec SpecOf(const std::string& step) {
    const std::lock_guard lock(mutex);
    for (const auto& [id, spec] : specs) {
      if (StepOf(spec) == step) return spec;
    }
    return {};
  }

  std::mutex mutex;
  std::condition_variable submitted;
  std::map<std::string, job::JobStatus> jobs;
  std::map<std::string, job::JobSpec> specs;
  std::vector<std::string> launched;  // step names, in order
  std::vector<std::string> stopped;   // "step" or "step now"
  bool stop_ends_jobs = true;
  base::EventSink* sink = nullptr;
};

class ScriptedExecutor : public job::Executor {
 public:
  ScriptedExecutor(Machine* machine, base::EventSink* sink) : machine_(machine) {
    const std::lock_guard lock(machine_->mutex);
    machine_->sink = sink;
  }
  ~ScriptedExecutor() override {
    const std::lock_guard lock(machine_->mutex);
    machine_->sink = nullptr;
  }

  absl::Status Submit(const job::JobSpec& spec) override {
    job::JobState state = job::JobState::kRunning;
    {
      const std::lock_guard lock(machine_->mutex);
      if (machine_->jobs.contains(spec.id)) return absl::OkStatus();
      machine_->specs[spec.id] = spec;
      machine_->launched.push_back(Machine::StepOf(spec));
    }
    state = machine_->on_submit(spec);
    {
      const std::lock_guard lock(machine_->mutex);
      job::JobStatus status;
      status.id = spec.id;
      status.state = state;
      status.launches = 1;
      if (state == job::JobState::kFailed) status.message = "rank 0 exited with code 3";
      machine_->jobs[spec.id] = status;
    }
    machine_->submitted.notify_all();
    machine_->Tell(spec.id);
    return absl::OkStatus();
  }

  absl::Status Stop(const std::string& id, bool now) override {
    std::string step;
    {
      const std::lock_guard lock(machine_->mutex);
      const auto it = machine_->specs.find(id);
      if (it == machine_->specs.end()) return absl::NotFoundError(id);
      step = Machine::StepOf(it->second);
      machine_->stopped.push_back(now ? step + " now" : step);
      if (!machine_->stop_ends_jobs && !now) return absl::OkStatus();
    }
    if (!job::IsFinal(Status(id)->state)) machine_->Finish(step, job::JobState::kTerminated);
    return absl::OkStatus();
  }

  absl::StatusOr<job::JobStatus> Status(const std::string& id) override {
    const std::lock_guard lock(machine_->mutex);
    const auto it = machine_->jobs.find(id);
    if (it == machine_->jobs.end()) return absl::NotFoundError(id);
    return it->second;
  }

  void Forget(const std::string&) override {}

 private:
  Machine* const machine_;
};

}  // namespace regatta::flow::testing

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "job/env/contract.h"
#include "job/executor.h"

namespace regatta::job {
namespace {

class NoopExecutor final : public Executor {
 public:
  explicit NoopExecutor(base::EventSink* sink) : sink_(sink) {
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }

  absl::Status Submit(const JobSpec& spec) override {
    JobStatus status{.id = spec.id, .state = JobState::kSucceeded, .launches = 1};
    status.started_at = status.finished_at = base::NowMicros();
    for (const Member& member : Members(spec)) {
      status.replicas.push_back({.rank = member.rank,
                                 .role = member.role->name,
                                 .index = member.index,
                                 .state = ReplicaState::kSucceeded,
                                 .exit_code = 0,
                                 .started_at = status.started_at,
                                 .finished_at = status.finished_at});
    }
    {
      const std::lock_guard lock(mutex_);
      if (!jobs_.emplace(spec.id, std::move(status)).second) return absl::OkStatus();
      finished_.push_back(spec.id);
    }
    changed_.notify_one();
    return absl::OkStatus();
  }

  absl::Status Stop(const std::string& id, bool /*now*/) override { return Status(id).status(); }

  absl::StatusOr<JobStatus> Status(const std::string& id) override {
    const std::lock_guard lock(mutex_);
    const auto at = jobs_.find(id);
    if (at == jobs_.end()) return absl::NotFoundError("job " + id + " is not known here");
    return at->second;
  }

  void Forget(const std::string& id) override {
    const std::lock_guard lock(mutex_);
    jobs_.erase(id);
  }

 private:
  void Run(const std::stop_token& stop) {
    while (true) {
      std::deque<std::string> finished;
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [this] { return !finished_.empty(); })) return;
        finished.swap(finished_);
      }
      for (const std::string& id : finished) {
        sink_->Publish({.kind = "job.status",
                        .subject = id,
                        .time = base::NowMicros(),
                        .data = base::Json::object()});
      }
    }
  }

  base::EventSink* const sink_;
  std::mutex mutex_;  // guards jobs_ and finished_
  std::condition_variable_any changed_;
  std::map<std::string, JobStatus> jobs_;
  std::deque<std::string> finished_;
  std::jthread thread_;
};

}  // namespace

std::unique_ptr<Executor> NewNoopExecutor(base::EventSink* sink) {
  return std::make_unique<NoopExecutor>(sink);
}

}  // namespace regatta::job

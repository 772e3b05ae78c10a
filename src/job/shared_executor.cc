#include "job/shared_executor.h"

#include <utility>

#include "base/absl_status.h"

namespace regatta::job {

class ExecutorShare final : public Executor {
 public:
  ExecutorShare(SharedExecutor* shared, base::EventSink* sink) : shared_(shared), sink_(sink) {}
  ~ExecutorShare() override {
    const std::lock_guard lock(shared_->mutex_);
    std::erase_if(shared_->owners_, [this](const auto& entry) { return entry.second == sink_; });
  }

  absl::Status Submit(const JobSpec& spec) override {
    {
      const std::lock_guard lock(shared_->mutex_);
      shared_->owners_[spec.id] = sink_;
    }
    return shared_->inner_->Submit(spec);
  }
  absl::Status Stop(const std::string& id, bool now) override {
    return shared_->inner_->Stop(id, now);
  }
  absl::StatusOr<JobStatus> Status(const std::string& id) override {
    return shared_->inner_->Status(id);
  }
  void Forget(const std::string& id) override {
    shared_->inner_->Forget(id);
    const std::lock_guard lock(shared_->mutex_);
    shared_->owners_.erase(id);
  }

 private:
  SharedExecutor* const shared_;
  base::EventSink* const sink_;
};

absl::StatusOr<std::unique_ptr<SharedExecutor>> SharedExecutor::Make(const Maker& make) {
  auto shared = std::make_unique<SharedExecutor>();
  ASSIGN_OR_RETURN(shared->inner_, make(shared.get()));
  return shared;
}

std::unique_ptr<Executor> SharedExecutor::NewShare(base::EventSink* sink) {
  return std::make_unique<ExecutorShare>(this, sink);
}

void SharedExecutor::Publish(base::Event event) {
  const std::lock_guard lock(mutex_);
  const auto owner = owners_.find(event.subject);
  if (owner != owners_.end()) owner->second->Publish(std::move(event));
}

}  // namespace regatta::job

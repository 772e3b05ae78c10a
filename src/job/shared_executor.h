#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "job/executor.h"

namespace regatta::job {

// One executor for several owners of jobs (pipelines, training jobs), so that they are admitted
// against the same CPUs and memory. Each hears of its own jobs only. Thread-safe.
class SharedExecutor final : public base::EventSink {
 public:
  using Maker = std::function<absl::StatusOr<std::unique_ptr<Executor>>(base::EventSink*)>;
  static absl::StatusOr<std::unique_ptr<SharedExecutor>> Make(const Maker& make);

  // A share of it, which must not outlive this object. Once it is destroyed, its sink hears nothing
  // more.
  std::unique_ptr<Executor> NewShare(base::EventSink* sink);

  void Publish(base::Event event) override;

 private:
  friend class ExecutorShare;
  std::mutex mutex_;  // guards owners_; held while an owner is told
  std::map<std::string, base::EventSink*> owners_;
  std::unique_ptr<Executor> inner_;  // ends first: it publishes
};

}  // namespace regatta::job

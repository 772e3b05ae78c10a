#include "device/sim_stream.h"

#include <utility>

namespace regatta::device {

void SimMarker::Reach(const SimOutcome& outcome) {
  const std::lock_guard lock(mutex_);
  reached_ = true;
  outcome_ = outcome;
  changed_.notify_all();
}

SimOutcome SimMarker::Now() const {
  const std::lock_guard lock(mutex_);
  return reached_ ? outcome_ : SimOutcome{REGATTA_DEVICE_NOT_READY, "the work is not over"};
}

SimOutcome SimMarker::Wait() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return reached_; });
  return outcome_;
}

SimOutcome SimMarker::Wait(std::chrono::milliseconds limit) const {
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, limit, [this] { return reached_; });
  }
  return Now();
}

SimStream::SimStream() : thread_([this] { Run(); }) {}

SimStream::~SimStream() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void SimStream::Push(Task task, bool counts) {
  const std::lock_guard lock(mutex_);
  tasks_.emplace_back(std::move(task), counts);
  if (counts) ++unfinished_;
  changed_.notify_all();
}

void SimStream::Run() {
  while (true) {
    std::pair<Task, bool> next;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !tasks_.empty() || ending_; });
      if (tasks_.empty()) return;
      next = std::move(tasks_.front());
      tasks_.pop_front();
    }
    next.first();
    const std::lock_guard lock(mutex_);
    if (next.second) --unfinished_;
  }
}

SimOutcome SimStream::Now() const {
  const std::lock_guard lock(mutex_);
  if (unfinished_ > 0) return {REGATTA_DEVICE_NOT_READY, "the work is not over"};
  return outcome_;
}

void SimStream::Add(SimWork work) {
  Push(
      [this, work = std::move(work)] {
        if (outcome_.result == REGATTA_DEVICE_OK) outcome_.result = work(&outcome_.why);
      },
      true);
}

std::shared_ptr<SimMarker> SimStream::Mark() {
  auto marker = std::make_shared<SimMarker>();
  Push([this, marker] { marker->Reach(outcome_); }, false);
  return marker;
}

void SimStream::WaitFor(std::shared_ptr<SimMarker> marker) {
  Push(
      [this, marker = std::move(marker)] {
        const auto ending = [this] {
          const std::lock_guard lock(mutex_);
          return ending_;
        };
        constexpr auto kLook = std::chrono::milliseconds(10);
        SimOutcome theirs = marker->Wait(kLook);
        while (theirs.result == REGATTA_DEVICE_NOT_READY && !ending()) theirs = marker->Wait(kLook);
        if (outcome_.result == REGATTA_DEVICE_OK) outcome_ = std::move(theirs);
      },
      true);
}

void SimStream::Stall() {
  std::unique_lock lock(mutex_);
  stalled_ = true;
  changed_.wait(lock, [this] { return ending_; });
}

bool SimStream::stalled() const {
  const std::lock_guard lock(mutex_);
  return stalled_;
}

}  // namespace regatta::device

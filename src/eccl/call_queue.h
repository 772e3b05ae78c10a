#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/status.h"

namespace regatta::eccl {

// What comes of a call that was submitted. Any thread.
class Request {
 public:
  // Empty while it is not over.
  std::optional<base::Status> Result() const;
  // Waits; empty when it was not over within `limit`, which is for ever when it is empty.
  std::optional<base::Status> Wait(std::optional<std::chrono::milliseconds> limit) const;

 private:
  friend class CallQueue;
  void End(base::Status status);

  mutable std::mutex mutex_;
  mutable std::condition_variable over_;
  std::optional<base::Status> result_;
};

// Runs the calls of one communicator in the order in which they were submitted, on one thread,
// which begins with the first of them. Any thread may use it.
class CallQueue {
 public:
  using Call = std::function<base::Status()>;

  // Runs what is still waiting, then ends.
  ~CallQueue();

  // Whether nothing waits and nothing runs.
  bool idle() const { return unfinished_.load(std::memory_order_acquire) == 0; }
  // The call keeps the submitting thread's call site. kFailedPrecondition after Close.
  base::Result<std::shared_ptr<Request>> Submit(Call call);
  // Whether the calling thread is one that runs submitted calls, of whatever communicator.
  static bool OnWorker();
  // Takes no more calls, and waits for those it has.
  void Close();

 private:
  struct Entry {
    Call call;
    std::string site;
    std::shared_ptr<Request> request;
  };
  void Work();

  std::mutex mutex_;
  std::condition_variable changed_;  // entries_, closed_, ended_
  std::condition_variable drained_;
  std::deque<Entry> entries_;
  std::atomic<std::size_t> unfinished_{0};  // changed under mutex_
  bool closed_ = false;
  bool ended_ = false;
  std::thread worker_;
};

}  // namespace regatta::eccl

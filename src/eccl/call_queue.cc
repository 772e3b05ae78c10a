#include "eccl/call_queue.h"

#include <new>

#include "eccl/call_log.h"

namespace regatta::eccl {

using base::Code;
using base::Status;

thread_local bool on_worker = false;

std::optional<Status> Request::Result() const {
  const std::lock_guard lock(mutex_);
  return result_;
}

std::optional<Status> Request::Wait(std::optional<std::chrono::milliseconds> limit) const {
  std::unique_lock lock(mutex_);
  const auto is_over = [this] { return result_.has_value(); };
  if (limit) {
    over_.wait_for(lock, *limit, is_over);
  } else {
    over_.wait(lock, is_over);
  }
  return result_;
}

void Request::End(Status status) {
  const std::lock_guard lock(mutex_);
  result_ = std::move(status);
  over_.notify_all();
}

CallQueue::~CallQueue() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = ended_ = true;
    changed_.notify_all();
  }
  if (worker_.joinable()) worker_.join();
}

base::Result<std::shared_ptr<Request>> CallQueue::Submit(Call call) {
  Entry entry{.call = std::move(call), .site = CallSite(), .request = std::make_shared<Request>()};
  std::shared_ptr<Request> request = entry.request;
  const std::lock_guard lock(mutex_);
  if (closed_) {
    return Status(Code::kFailedPrecondition,
                  "the communicator is being destroyed, and takes no more calls");
  }
  entries_.push_back(std::move(entry));
  if (!worker_.joinable()) {
    try {
      worker_ = std::thread([this] { Work(); });
    } catch (...) {
      entries_.pop_back();
      throw;
    }
  }
  unfinished_.store(unfinished_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  changed_.notify_all();
  return request;
}

void CallQueue::Close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  drained_.wait(lock, [this] { return idle(); });
}

bool CallQueue::OnWorker() { return on_worker; }

void CallQueue::Work() {
  on_worker = true;
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ended_ || !entries_.empty(); });
    if (entries_.empty()) return;
    Entry entry = std::move(entries_.front());
    entries_.pop_front();
    lock.unlock();
    Status status;
    try {
      SetCallSite(entry.site.c_str());
      status = entry.call();
    } catch (const std::bad_alloc&) {
      status = Status(Code::kResourceExhausted, "out of memory");
    } catch (const std::exception& error) {
      status = Status(Code::kInternal, error.what());
    }
    // What the call keeps alive ends before anyone learns that it is over.
    entry.call = nullptr;
    lock.lock();
    unfinished_.store(unfinished_.load(std::memory_order_relaxed) - 1, std::memory_order_release);
    entry.request->End(std::move(status));
    if (idle()) drained_.notify_all();
  }
}

}  // namespace regatta::eccl

#include "queue.h"

namespace regatta::c10d_eccl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kLookEvery = std::chrono::milliseconds(100);

c10::intrusive_ptr<c10::ivalue::Future> NewFuture(c10::TypePtr type) {
  return c10::make_intrusive<c10::ivalue::Future>(std::move(type));
}

}  // namespace

EcclWork::EcclWork(Spec spec, std::shared_ptr<Queue> queue, std::function<void()> body)
    : Work(spec.rank, spec.type, spec.title, spec.inputs),
      spec_(std::move(spec)),
      queue_(std::move(queue)),
      body_(std::move(body)) {}

bool EcclWork::isSuccess() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return done_ && exception_ == nullptr;
}

std::exception_ptr EcclWork::exception() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return exception_;
}

int EcclWork::sourceRank() const {
  if (source_ < 0) Fail("sourceRank: this work is no receive that has ended");
  return source_;
}

std::vector<at::Tensor> EcclWork::result() {
  if (!isCompleted()) Fail("result: this work has not ended; wait for it first");
  return spec_.outputs;
}

bool EcclWork::wait(std::chrono::milliseconds timeout) {
  const bool limited = timeout > std::chrono::milliseconds::zero();
  if (!limited && queue_ != nullptr) queue_->Help(this);
  Clock::time_point deadline = Clock::time_point::max();
  if (limited) deadline = Clock::now() + timeout;
  while (watch_ && !WaitUntil(std::min(deadline, Clock::now() + kLookEvery))) {
    watch_();
    if (Clock::now() >= deadline) break;
  }
  if (!WaitUntil(deadline)) {
    Fail(std::string(spec_.title) + " #" + std::to_string(spec_.sequence) + " on rank " +
         std::to_string(rank_) + ": wait() gave up after " + std::to_string(timeout.count()) +
         " ms; the call itself goes on");
  }
  if (const auto error = exception()) std::rethrow_exception(error);
  return true;
}

bool EcclWork::WaitUntil(Clock::time_point deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto over = [this] { return done_.load(); };
  if (deadline == Clock::time_point::max()) {
    cv_.wait(lock, over);
    return true;
  }
  return cv_.wait_until(lock, deadline, over);
}

void EcclWork::abort() {
  if (on_abort_) on_abort_();
}

c10::intrusive_ptr<c10::ivalue::Future> EcclWork::getFuture() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (future_ == nullptr) {
    future_ = NewFuture(c10::ListType::create(c10::TensorType::get()));
    if (done_) {
      lock.unlock();
      if (exception_) {
        future_->setError(exception_);
      } else {
        future_->markCompleted(c10::IValue(spec_.outputs));
      }
    }
  }
  return future_;
}

#if REGATTA_TORCH >= 200
c10::intrusive_ptr<c10::ivalue::Future> EcclWork::getFutureResult() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (result_future_ == nullptr) {
    result_future_ = NewFuture(c10::IntType::get());
    if (done_) {
      lock.unlock();
      result_future_->markCompleted(static_cast<std::int64_t>(
          exception_ ? c10d::WorkResult::COMM_ERROR : c10d::WorkResult::SUCCESS));
    }
  }
  return result_future_;
}

float EcclWork::getDuration() const { return milliseconds_; }
#endif

void EcclWork::Run() {
  // The tensors are the caller's results, whatever autograd thinks of them.
  const at::AutoDispatchBelowADInplaceOrView guard;
  const auto begin = Clock::now();
  try {
    body_();
  } catch (...) {
    ran_into_ = std::current_exception();
  }
  milliseconds_ = std::chrono::duration<float, std::milli>(Clock::now() - begin).count();
  body_ = nullptr;
}

void EcclWork::Complete(std::exception_ptr error) {
  c10::intrusive_ptr<c10::ivalue::Future> future, result;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (done_) return;
    exception_ = error;
    completed_ = true;
    done_.store(true, std::memory_order_release);
    future = future_;
    result = result_future_;
  }
  cv_.notify_all();
  if (recordFunctionEndCallback_) recordFunctionEndCallback_();
  if (future && error) future->setError(error);
  if (future && !error) future->markCompleted(c10::IValue(spec_.outputs));
#if REGATTA_TORCH >= 200
  if (result) {
    result->markCompleted(static_cast<std::int64_t>(error ? c10d::WorkResult::COMM_ERROR
                                                          : c10d::WorkResult::SUCCESS));
  }
#endif
}

void Queue::Push(c10::intrusive_ptr<EcclWork> work) {
  const Lock lock(mutex_);
  pending_.push_back(std::move(work));
  // Who runs something now looks here again when it is done.
  if (!busy_) WakeWorker();
}

bool Queue::TryRun(const c10::intrusive_ptr<EcclWork>& work) {
  Lock lock(mutex_);
  if (busy_ || !pending_.empty()) return false;
  RunUnlocked(work, &lock);
  return true;
}

void Queue::Help(EcclWork* work) {
  Lock lock(mutex_);
  while (!work->isCompleted()) {
    if (!busy_ && !pending_.empty()) {
      RunFront(&lock);
    } else {
      ++waiting_;
      finished_.wait(lock);
      --waiting_;
    }
  }
}

bool Queue::Drain(std::chrono::milliseconds patience) {
  Lock lock(mutex_);
  ++waiting_;
  const bool empty =
      finished_.wait_for(lock, patience, [this] { return !busy_ && pending_.empty(); });
  --waiting_;
  return empty;
}

void Queue::Stop() {
  std::vector<std::thread> workers;
  {
    const Lock lock(mutex_);
    stopping_ = true;
    workers.swap(workers_);
  }
  available_.notify_all();
  for (std::thread& worker : workers) {
    if (worker.get_id() != std::this_thread::get_id()) {
      worker.join();
    } else {
      // A callback of a future, which this worker runs, dropped the group. It keeps the queue and
      // ends when the callback returns.
      worker.detach();
    }
  }
}

void Queue::Work() {
  Lock lock(mutex_);
  while (true) {
    if (!busy_ && !pending_.empty()) {
      RunFront(&lock);
    } else if (stopping_ && pending_.empty()) {
      return;
    } else {
      ++idle_;
      available_.wait(lock);
      --idle_;
    }
  }
}

void Queue::RunFront(Lock* lock) {
  const c10::intrusive_ptr<EcclWork> work = std::move(pending_.front());
  pending_.pop_front();
  RunUnlocked(work, lock);
}

void Queue::RunUnlocked(const c10::intrusive_ptr<EcclWork>& work, Lock* lock) {
  busy_ = true;
  lock->unlock();
  work->Run();
  lock->lock();
  busy_ = false;
  // What is told of the end may wait for a later call, so that one must not wait for this thread.
  if (!pending_.empty()) WakeWorker();
  lock->unlock();
  work->Announce();
  lock->lock();
  if (waiting_ > 0) finished_.notify_all();
}

void Queue::WakeWorker() {
  if (idle_ > 0) {
    available_.notify_one();
  } else if (!stopping_) {
    workers_.emplace_back([self = shared_from_this()] { self->Work(); });
  }
}

}  // namespace regatta::c10d_eccl

#pragma once

#include <ATen/ATen.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/Work.hpp>
#include <vector>

#include "abi.h"

namespace regatta::c10d_eccl {

class Queue;

// What a call returns: it completes when its body has run, or when someone completes it.
class EcclWork : public c10d::Work {
 public:
  struct Spec {
    int rank = 0;
    c10d::OpType type = c10d::OpType::UNKNOWN;
    const char* title = nullptr;  // what a profiler shows
    std::vector<at::Tensor> inputs;
    std::vector<at::Tensor> outputs;
    std::chrono::milliseconds timeout{};
    std::uint64_t sequence = 0;
  };

  // `queue` runs the body; null for work that is completed from outside.
  EcclWork(Spec spec, std::shared_ptr<Queue> queue, std::function<void()> body);

  bool isCompleted() override { return done_.load(std::memory_order_acquire); }
  bool isSuccess() const override;
  std::exception_ptr exception() const override;
  int sourceRank() const override;
  std::vector<at::Tensor> result() override;
  // Runs the body in this thread when nobody has begun to; so a call that is waited for at once
  // costs no change of threads. Throws what the body threw, and when `timeout` (0: none) is over.
  bool wait(std::chrono::milliseconds timeout = kNoTimeout) override;
  void synchronize() override { wait(); }
  // Makes the whole group fail: one call cannot be taken back alone.
  void abort() override;
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override;
#if REGATTA_TORCH >= 200
  c10::intrusive_ptr<c10::ivalue::Future> getFutureResult() override;
  std::uint64_t getSequencenumber() const override { return spec_.sequence; }
  std::chrono::milliseconds getTimeout() const override { return spec_.timeout; }
  float getDuration() const override;
#endif

  // By the queue: the body, then the news of its end.
  void Run();
  void Announce() { Complete(ran_into_); }
  // Only the first call counts.
  void Complete(std::exception_ptr error);
  void set_source(int rank) { source_ = rank; }
  void set_on_abort(std::function<void()> on_abort) { on_abort_ = std::move(on_abort); }
  // Called every now and then while someone waits; may complete the work, for example because its
  // time is up.
  void set_watch(std::function<void()> watch) { watch_ = std::move(watch); }
  const Spec& spec() const { return spec_; }
  std::chrono::steady_clock::time_point deadline() const { return made_ + spec_.timeout; }

 private:
  bool WaitUntil(std::chrono::steady_clock::time_point deadline);

  const Spec spec_;
  const std::shared_ptr<Queue> queue_;
  std::function<void()> body_;
  std::function<void()> on_abort_;
  std::function<void()> watch_;
  const std::chrono::steady_clock::time_point made_ = std::chrono::steady_clock::now();
  std::exception_ptr ran_into_;
  std::atomic<bool> done_{false};
  std::atomic<int> source_{-1};
  std::atomic<float> milliseconds_{0};
  c10::intrusive_ptr<c10::ivalue::Future> future_;         // guarded by mutex_
  c10::intrusive_ptr<c10::ivalue::Future> result_future_;  // guarded by mutex_
};

// The calls of one group, run one at a time in the order in which they came: by the thread that
// waits for them, else by a worker thread. Thread-safe. Ends by Stop.
class Queue : public std::enable_shared_from_this<Queue> {
 public:
  void Push(c10::intrusive_ptr<EcclWork> work);
  // Runs `work` in this thread when nothing is before it; otherwise does nothing and is false.
  bool TryRun(const c10::intrusive_ptr<EcclWork>& work);
  // Returns when `work` is over; until then runs what nobody else runs.
  void Help(EcclWork* work);
  // Whether everything was over within `patience`.
  bool Drain(std::chrono::milliseconds patience);
  // Ends the workers when all that was pushed has run. Nothing may be pushed after.
  void Stop();

 private:
  using Lock = std::unique_lock<std::mutex>;
  void Work();
  void RunFront(Lock* lock);
  void RunUnlocked(const c10::intrusive_ptr<EcclWork>& work, Lock* lock);
  void WakeWorker();

  std::mutex mutex_;
  std::condition_variable available_;
  std::condition_variable finished_;
  std::deque<c10::intrusive_ptr<EcclWork>> pending_;
  std::vector<std::thread> workers_;
  int idle_ = 0;
  int waiting_ = 0;
  bool busy_ = false;
  bool stopping_ = false;
};

}  // namespace regatta::c10d_eccl

#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "device/sim.h"

namespace regatta::device {

// What work came to.
struct SimOutcome {
  regattaDeviceResult result = REGATTA_DEVICE_OK;
  std::string why;
};

// A point on a stream that others can wait for.
class SimMarker {
 public:
  void Reach(const SimOutcome& outcome);
  // NOT_READY before it is reached.
  SimOutcome Now() const;
  SimOutcome Wait() const;
  // At most so long; what Now says then.
  SimOutcome Wait(std::chrono::milliseconds limit) const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool reached_ = false;
  SimOutcome outcome_;
};

// Runs work in order, on a thread of its own. After work that failed it runs none any more, and
// says so to everybody who asks.
class SimStream {
 public:
  SimStream();
  // Runs what is left, but waits no longer for other streams and for copies that never end.
  ~SimStream();

  void Add(SimWork work);
  std::shared_ptr<SimMarker> Mark();
  // NOT_READY while there is work.
  SimOutcome Now() const;
  void WaitFor(std::shared_ptr<SimMarker> marker);
  // Waits until the stream is being destroyed.
  void Stall();
  bool stalled() const;

 private:
  using Task = std::function<void()>;
  // `counts`: the stream is not ready before it is over.
  void Push(Task task, bool counts);
  void Run();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<Task, bool>> tasks_;
  bool ending_ = false;
  bool stalled_ = false;
  int unfinished_ = 0;  // work and waits; marks take no time
  SimOutcome outcome_;  // written by the thread while there is something unfinished
  std::thread thread_;
};

}  // namespace regatta::device

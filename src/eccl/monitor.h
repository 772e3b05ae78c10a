#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "eccl/health.h"

namespace regatta::eccl {

// Watches the other ranks over the bootstrap's connections, in a thread of its own: the connection
// of a process that dies closes, whatever it died of. Rank 0 is the hub and passes on who died, who
// failed and why, who left, and how far each rank is. Results go to Health.
class Monitor {
 public:
  // Rank 0: one socket a rank; others: one, to rank 0. `health` must outlive the monitor.
  // `maintain` is called some four times a second, by the thread.
  Monitor(Health* health, std::vector<base::UniqueFd> sockets, std::function<void()> maintain);
  // Ends the thread and closes the connections. Without Goodbye the others see a death.
  ~Monitor();

  // Tells all ranks that this one has failed, so that they need not wait for their own time-out.
  // Returns when the kernel has taken it, or after 1 s.
  void ReportFailure(const base::Status& why);
  // Leaves in order. Rank 0 first waits for the others, at most `patience`, since through it they
  // watch each other.
  void Goodbye(std::chrono::milliseconds patience);

 private:
  struct Link {
    int rank;
    base::UniqueFd fd;
    std::string in;
    std::string out;
  };
  void Say(const std::string& frame);
  void Run(const std::stop_token& stop);
  void Beat();
  void CheckAgreement();
  void Receive(Link& link);
  void Handle(Link& link, const FrameHeader& header, std::string_view body);
  void Flush(Link& link);
  void Lost(Link& link, const std::string& why);
  // Queues for everybody this rank is connected to, but `except`.
  void Post(const std::string& frame, int except);

  Health* health_;
  std::function<void()> maintain_;
  std::vector<Link> links_;
  base::UniqueFd wake_fd_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string outbox_;        // frames from other threads, for everybody
  bool outbox_busy_ = false;  // taken from outbox_ but not all sent yet
  std::jthread thread_;
};

}  // namespace regatta::eccl

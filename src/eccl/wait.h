#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>

#include "base/file.h"

namespace regatta::eccl {

// How a rank sleeps and is woken. Lives in memory that its peers share (or in the rank's own, when
// it has no peer on the same host). All operations are sequentially consistent: a peer that makes
// progress possible and then sees nobody sleeping is ordered before the sleeper's last look.
struct Bell {
  alignas(64) std::atomic<std::uint32_t> rings{0};
  std::atomic<std::uint32_t> sleeping{0};

  // Called by a peer after it moved data. Costs one load when the owner is awake.
  void Ring() {
    if (sleeping.load() != 0) RingAlways();
  }
  void RingAlways();
};

// The adaptive wait of one rank: spin for a while when that has lately paid off, then give the
// processor away, then sleep until a peer rings or a socket is ready. With more ranks than
// processors spinning only keeps the peer from running, so it is switched off. Yielding stops when
// it turns out to be dear, because others than ranks want the processor, too.
class Waiter {
 public:
  Waiter();

  // Where peers ring. Set once, before the first wait; the bell must outlive the waiter.
  void UseBell(Bell* bell) { bell_ = bell; }
  // Ranks of this communicator on this host, to judge whether spinning can pay off.
  void SetLocalRanks(int ranks);

  // --- by the waiting thread: one wait is Start, then Pause until something moved, then Stop ---
  void Start() { turns_ = 0; }
  // True when the caller should just look again; false when it is time to sleep.
  bool Pause();
  void Stop();

  // Between PrepareToSleep and Sleep the caller looks once more: what happened before
  // PrepareToSleep is seen by that look, what happens after it ends the sleep.
  std::uint32_t PrepareToSleep();
  void CancelSleep() { bell_->sleeping.store(0); }
  struct FdInterest {
    int fd;
    short events;
  };
  // Sleeps at most `limit`, less when rung, woken, or a descriptor is ready. `rung_too`: a peer in
  // shared memory is waited for as well, besides `fds`.
  void Sleep(std::uint32_t ticket, std::span<const FdInterest> fds, bool rung_too,
             std::chrono::microseconds limit);

  // --- by any thread of this process: ends the current sleep ---
  void Wake();

 private:
  void Yield();

  Bell own_bell_;
  Bell* bell_ = &own_bell_;
  base::UniqueFd wake_fd_;
  int turns_ = 0;
  std::chrono::steady_clock::time_point since_{};  // when this wait began, if it is not a short one
  int spin_limit_;
  int max_spin_;
  int abstinence_ = 0;  // sleeps before it yields again
  int next_abstinence_;
};

}  // namespace regatta::eccl

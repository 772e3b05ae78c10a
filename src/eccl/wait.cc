#include "eccl/wait.h"

#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace regatta::eccl {
namespace {

// About 30 us on a 2-3 GHz processor: longer than a neighbour's copy of one block.
constexpr int kMaxSpin = 1500;
constexpr int kMinSpin = 16;
// Giving the processor to a neighbour and getting it back is cheaper than to sleep and be woken.
constexpr int kYields = 64;
// But not when the neighbour is a stranger who computes: Linux makes whoever yields wait for at
// least a whole time slice, where whoever sleeps is woken soon. Ranks give it back before.
constexpr auto kLongYield = std::chrono::milliseconds(1);
// So often a wait sleeps at once after a yield that took long; twice as often when it happens
// again.
constexpr int kFirstAbstinence = 64;
constexpr int kLongestAbstinence = 4096;
// A wait of that long is not longer than to sleep and be woken on a busy machine.
constexpr auto kWorthSpinning = std::chrono::microseconds(150);

// Shared between processes, hence without FUTEX_PRIVATE_FLAG.
void FutexWait(std::atomic<std::uint32_t>* word, std::uint32_t expected,
               std::chrono::microseconds limit) {
  timespec time{};
  time.tv_sec = limit.count() / 1'000'000;
  time.tv_nsec = (limit.count() % 1'000'000) * 1000;
  syscall(SYS_futex, word, FUTEX_WAIT, expected, &time, nullptr, 0);
}

void FutexWakeAll(std::atomic<std::uint32_t>* word) {
  syscall(SYS_futex, word, FUTEX_WAKE, 0x7fffffff, nullptr, nullptr, 0);
}

void CpuRelax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// The processors this process may run on: a container's share, not the machine's count.
int AllowedProcessors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

void Bell::RingAlways() {
  rings.fetch_add(1);
  FutexWakeAll(&rings);
}

Waiter::Waiter()
    : wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      spin_limit_(kMaxSpin),
      max_spin_(kMaxSpin),
      next_abstinence_(kFirstAbstinence) {
  SetLocalRanks(1);
}

void Waiter::SetLocalRanks(int ranks) {
  max_spin_ = ranks > AllowedProcessors() ? 0 : kMaxSpin;
  spin_limit_ = std::min(spin_limit_, max_spin_);
}

bool Waiter::Pause() {
  const int turn = turns_++;
  if (turn == kMinSpin) since_ = std::chrono::steady_clock::now();
  if (turn < spin_limit_) {
    CpuRelax();
    return true;
  }
  if (turn >= spin_limit_ + kYields) return false;
  if (abstinence_ > 0) {
    --abstinence_;
    return false;
  }
  Yield();
  return true;
}

void Waiter::Yield() {
  const auto start = std::chrono::steady_clock::now();
  sched_yield();
  if (std::chrono::steady_clock::now() - start < kLongYield) {
    next_abstinence_ = std::max(next_abstinence_ - 1, kFirstAbstinence);
    return;
  }
  abstinence_ = next_abstinence_;
  next_abstinence_ = std::min(next_abstinence_ * 2, kLongestAbstinence);
}

// What a wait took says whether spinning to its end would have been worth it, also when this one
// slept: a limit that only shrank when spinning failed would keep a rank asleep for ever, whose
// peer is always a little later than the least of spins.
void Waiter::Stop() {
  if (turns_ > kMinSpin) {
    const bool short_wait = std::chrono::steady_clock::now() - since_ < kWorthSpinning;
    spin_limit_ = short_wait ? std::min(max_spin_, spin_limit_ * 2)
                             : std::min(max_spin_, std::max(kMinSpin, spin_limit_ / 2));
  }
  turns_ = 0;
}

std::uint32_t Waiter::PrepareToSleep() {
  const std::uint32_t ticket = bell_->rings.load();
  bell_->sleeping.store(1);
  return ticket;
}

void Waiter::Sleep(std::uint32_t ticket, std::span<const FdInterest> fds, bool rung_too,
                   std::chrono::microseconds limit) {
  using namespace std::chrono_literals;
  if (fds.empty()) {
    FutexWait(&bell_->rings, ticket, limit);
  } else {
    // A futex and a socket cannot be waited for together; with both, the socket wakes at once and
    // the bell within half a millisecond.
    if (rung_too) limit = std::min<std::chrono::microseconds>(limit, 500us);
    std::vector<pollfd> items{{wake_fd_.get(), POLLIN, 0}};
    for (const FdInterest& interest : fds) items.push_back({interest.fd, interest.events, 0});
    const timespec time{limit.count() / 1'000'000, (limit.count() % 1'000'000) * 1000};
    if (ppoll(items.data(), items.size(), &time, nullptr) > 0 && items[0].revents != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = read(wake_fd_.get(), &count, sizeof(count));
    }
  }
  bell_->sleeping.store(0);
}

void Waiter::Wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = write(wake_fd_.get(), &one, sizeof(one));
  bell_->RingAlways();
}

}  // namespace regatta::eccl

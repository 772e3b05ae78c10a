#include "eccl/health.h"

#include <cstring>

#include "base/clock.h"

namespace regatta::eccl {
namespace {

using base::Status;

// Four missed heartbeats and a bit: longer than a busy machine delays a thread, shorter than any
// sensible time-out.
constexpr auto kSilent = std::chrono::milliseconds(1100);

}  // namespace

Health::Health(int rank, std::vector<std::string> names, std::function<void()> wake)
    : rank_(rank),
      names_(std::move(names)),
      wake_(std::move(wake)),
      left_(names_.size()),
      gone_(names_.size()) {
  progress_.resize(names_.size());
  for (Progress& progress : progress_) progress.heard = Clock::now();
}

bool Health::Fail(Status why) {
  {
    const std::lock_guard lock(mutex_);
    if (failed_.load(std::memory_order_relaxed)) return false;
    failure_ = std::move(why);
    failed_.store(true, std::memory_order_release);
  }
  wake_();
  return true;
}

Status Health::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void Health::SetLeft(int rank) {
  left_[static_cast<std::size_t>(rank)].store(true);
  wake_();
}

bool Health::AllOthersLeft() const {
  for (int rank = 0; rank < size(); ++rank) {
    if (rank != rank_ && !HasLeft(rank)) return false;
  }
  return true;
}

std::vector<int> Health::Gone() const {
  std::vector<int> ranks;
  for (int rank = 0; rank < size(); ++rank) {
    if (gone_[static_cast<std::size_t>(rank)].load()) ranks.push_back(rank);
  }
  return ranks;
}

void Health::Enter(const OpDescriptor& call) {
  std::byte wire[OpDescriptor::kWireBytes];
  call.Encode(wire);
  const std::uint32_t version = call_version_.load(std::memory_order_relaxed);
  call_version_.store(version + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  for (std::size_t i = 0; i < std::size(call_); ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, wire + i * 8, 8);
    call_[i].store(word, std::memory_order_relaxed);
  }
  call_version_.store(version + 2, std::memory_order_release);
  sequence_.store(call.sequence, std::memory_order_relaxed);
  inside_.store(true, std::memory_order_relaxed);
}

OpDescriptor Health::call() const {
  OpDescriptor call;
  std::byte wire[OpDescriptor::kWireBytes];
  while (true) {
    const std::uint32_t version = call_version_.load(std::memory_order_acquire);
    if (version == 0) return call;
    for (std::size_t i = 0; i < std::size(call_); ++i) {
      const std::uint64_t word = call_[i].load(std::memory_order_relaxed);
      std::memcpy(wire + i * 8, &word, 8);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (version % 2 == 0 && call_version_.load(std::memory_order_relaxed) == version) break;
  }
  OpDescriptor::Decode(wire, &call);
  return call;
}

void Health::Heard(int rank, const OpDescriptor& call, bool inside, Clock::duration age) {
  const std::lock_guard lock(mutex_);
  progress_[static_cast<std::size_t>(rank)] = {call, inside, Clock::now() - age};
}

int Health::Disagrees() const {
  const OpDescriptor mine = call();
  if (mine.sequence == 0) return -1;
  for (int rank = 0; rank < size(); ++rank) {
    const OpDescriptor theirs = ProgressOf(rank).call;
    if (theirs.sequence == mine.sequence && theirs != mine) return rank;
  }
  return -1;
}

Status Mismatch(const Health& health, int other, const std::string& theirs,
                const std::string& mine) {
  return Status(base::Code::kAborted, "the ranks call different things: " + health.NameOf(other) +
                                          " calls " + theirs + ", " + health.NameOf(health.rank()) +
                                          " calls " + mine);
}

Health::Progress Health::ProgressOf(int rank) const {
  if (rank == rank_) return {call(), inside(), Clock::now()};
  const std::lock_guard lock(mutex_);
  return progress_[static_cast<std::size_t>(rank)];
}

int Health::Silent() const {
  const auto now = Clock::now();
  if (rank_ != 0 && !HasLeft(0) && now - ProgressOf(0).heard > kSilent) return 0;
  int silent = -1;
  Clock::duration longest = kSilent;
  for (int rank = 0; rank < size(); ++rank) {
    if (rank == rank_ || HasLeft(rank)) continue;
    const Clock::duration quiet = now - ProgressOf(rank).heard;
    if (quiet <= longest) continue;
    longest = quiet;
    silent = rank;
  }
  return silent;
}

std::string Health::Suspect(std::uint64_t sequence) const {
  const auto now = Clock::now();
  const int silent = Silent();
  int late = -1;
  for (int rank = 0; rank < size(); ++rank) {
    if (rank == rank_ || HasLeft(rank)) continue;
    const std::uint64_t theirs = ProgressOf(rank).call.sequence;
    if (theirs < sequence && (late < 0 || theirs < ProgressOf(late).call.sequence)) late = rank;
  }
  if (silent >= 0) {
    const auto quiet =
        std::chrono::duration_cast<std::chrono::microseconds>(now - ProgressOf(silent).heard);
    return NameOf(silent) + " has been silent for " + base::FormatDuration(quiet.count()) +
           ": it is stopped, or its host does not answer";
  }
  if (late >= 0) {
    const Progress progress = ProgressOf(late);
    return NameOf(late) + " is alive but has not called it; " +
           (progress.call.sequence == 0 ? std::string("it has called nothing yet")
                                        : "its last call is " + progress.call.ToString() +
                                              (progress.inside ? ", not finished" : ", finished"));
  }
  return "all ranks are alive and inside the call";
}

}  // namespace regatta::eccl

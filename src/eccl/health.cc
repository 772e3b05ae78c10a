#include "eccl/health.h"

#include "base/clock.h"

namespace regatta::eccl {
namespace {

using base::Status;

// Four missed heartbeats and a bit: longer than a busy machine delays a thread, shorter than any
// sensible time-out.
constexpr auto kSilent = std::chrono::milliseconds(1100);

}  // namespace

Health::Health(int rank, std::vector<std::string> names, std::function<void()> wake)
    : rank_(rank), names_(std::move(names)), wake_(std::move(wake)), left_(names_.size()) {
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

void Health::Heard(int rank, std::uint64_t sequence, bool inside, Clock::duration age) {
  const std::lock_guard lock(mutex_);
  progress_[static_cast<std::size_t>(rank)] = {sequence, inside, Clock::now() - age};
}

Health::Progress Health::ProgressOf(int rank) const {
  if (rank == rank_) return {sequence(), inside(), Clock::now()};
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
    const std::uint64_t theirs = ProgressOf(rank).sequence;
    if (theirs < sequence && (late < 0 || theirs < ProgressOf(late).sequence)) late = rank;
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
           (progress.sequence == 0
                ? std::string("it has called nothing yet")
                : std::string("its last call is #") + std::to_string(progress.sequence) +
                      (progress.inside ? ", not finished" : ", finished"));
  }
  return "all ranks are alive and inside the call";
}

}  // namespace regatta::eccl

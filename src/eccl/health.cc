#include "eccl/health.h"

#include <algorithm>
#include <thread>

#include "base/clock.h"

namespace regatta::eccl {
namespace {

using base::Status;

// Four missed heartbeats and a bit: longer than a busy machine delays a thread, shorter than any
// sensible time-out.
constexpr auto kSilent = std::chrono::milliseconds(1100);
// Two heartbeats, of which the second tells of a call after rank 0 has passed it on.
constexpr auto kSiteWait = std::chrono::milliseconds(700);

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

void Health::Enter(const OpDescriptor& call, int peer) {
  entered_ = call.kind == OpKind::kSendRecv ? &messages_ : &collectives_;
  entered_->Begin(call, peer);
  inside_.store(true, std::memory_order_relaxed);
}

void Health::Leave(const char* algorithm) {
  entered_->End(algorithm);
  inside_.store(false, std::memory_order_relaxed);
}

std::vector<CallLog::Entry> Health::Calls(std::size_t most) const {
  std::vector<CallLog::Entry> calls = collectives_.Latest(most);
  const std::vector<CallLog::Entry> messages = messages_.Latest(most);
  calls.insert(calls.end(), messages.begin(), messages.end());
  std::sort(calls.begin(), calls.end(),
            [](const auto& one, const auto& other) { return one.age < other.age; });
  calls.resize(std::min(calls.size(), most));
  return calls;
}

void Health::Heard(int rank, Progress progress) {
  const std::lock_guard lock(mutex_);
  progress_[static_cast<std::size_t>(rank)] = std::move(progress);
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

Status Mismatch(const Health& health, int other, const OpDescriptor& theirs,
                const OpDescriptor& mine) {
  const std::string site = health.ProgressOf(health.rank()).site;
  std::string their_site;
  const auto until = Clock::now() + kSiteWait;
  while (!site.empty() && theirs.kind != OpKind::kSendRecv) {
    Health::Progress progress = health.ProgressOf(other);
    if (progress.call.sequence >= theirs.sequence) {
      their_site = std::move(progress.site);
      break;
    }
    if (Clock::now() >= until) break;
    // Nothing signals that a heartbeat has come.
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const auto at = [](const std::string& where) { return where.empty() ? "" : " at " + where; };
  return Status(base::Code::kAborted, "the ranks call different things: " + health.NameOf(other) +
                                          " calls " + theirs.ToString() + at(their_site) + ", " +
                                          health.NameOf(health.rank()) + " calls " +
                                          mine.ToString() + at(site));
}

Health::Progress Health::ProgressOf(int rank) const {
  if (rank == rank_) {
    CallLog::Entry last = collectives_.Last();
    return {last.call, inside(), std::move(last.site), Clock::now()};
  }
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

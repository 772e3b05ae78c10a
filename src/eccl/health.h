#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "eccl/types.h"
#include "eccl/wire.h"

namespace regatta::eccl {

// What a communicator knows about itself and its peers. Written by the monitor thread, the thread
// inside a collective and ecclCommAbort; thread-safe.
class Health {
 public:
  // `names`: "rank 3 (host web-1, pid 4242)" by rank. `wake` ends the wait of the thread inside a
  // collective.
  Health(int rank, std::vector<std::string> names, std::function<void()> wake);

  const std::string& NameOf(int rank) const { return names_[static_cast<std::size_t>(rank)]; }
  int rank() const { return rank_; }
  int size() const { return static_cast<int>(names_.size()); }

  // The communicator is broken from now on. The first reason stays; returns true for it.
  bool Fail(base::Status why);
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  base::Status failure() const;

  // `rank` left in order (ecclCommDestroy): what it has sent is good, more will not come.
  void SetLeft(int rank);
  bool HasLeft(int rank) const { return left_[static_cast<std::size_t>(rank)].load(); }
  bool AllOthersLeft() const;
  // `rank`'s process is gone without having left.
  void SetGone(int rank) { gone_[static_cast<std::size_t>(rank)].store(true); }
  std::vector<int> Gone() const;

  // Progress of this rank, for the heartbeats.
  void Enter(const OpDescriptor& call);
  // The call that was entered last. Any thread.
  OpDescriptor call() const;
  void Leave() { inside_.store(false, std::memory_order_relaxed); }
  std::uint64_t sequence() const { return sequence_.load(std::memory_order_relaxed); }
  bool inside() const { return inside_.load(std::memory_order_relaxed); }

  // Progress of a peer, heard `age` ago.
  void Heard(int rank, const OpDescriptor& call, bool inside, Clock::duration age);
  struct Progress {
    OpDescriptor call;  // sequence 0: none yet
    bool inside = false;
    Clock::time_point heard;
  };
  Progress ProgressOf(int rank) const;
  // The rank that has not been heard of for longest, when that is too long for a rank that runs;
  // -1: none. While rank 0 is silent it is rank 0, through which the others are heard.
  int Silent() const;
  // For the message of a time-out in collective `sequence`: which rank holds it up, as far as the
  // heartbeats tell. "rank 2 (host a, pid 7) has been silent for 1.9 s: it is stopped, or ...".
  std::string Suspect(std::uint64_t sequence) const;
  // A rank whose call of the same number as this rank's is another one, -1: none is known.
  int Disagrees() const;

 private:
  const int rank_;
  const std::vector<std::string> names_;
  const std::function<void()> wake_;
  std::vector<std::atomic<bool>> left_;
  std::vector<std::atomic<bool>> gone_;
  std::atomic<bool> failed_{false};
  std::atomic<std::uint64_t> sequence_{0};
  // The call's wire form, in words. Odd while it is being written: entering a call must not wait.
  std::atomic<std::uint32_t> call_version_{0};
  std::atomic<std::uint64_t> call_[OpDescriptor::kWireBytes / 8] = {};
  std::atomic<bool> inside_{false};
  mutable std::mutex mutex_;
  base::Status failure_;
  std::vector<Progress> progress_;
};

// "the ranks call different things: ..."; kAborted.
base::Status Mismatch(const Health& health, int other, const std::string& theirs,
                      const std::string& mine);

}  // namespace regatta::eccl

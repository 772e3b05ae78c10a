#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "eccl/call_log.h"
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
  bool IsGone(int rank) const { return gone_[static_cast<std::size_t>(rank)].load(); }
  std::vector<int> Gone() const;

  // This rank's calls: `peer` of a send or receive, else -1. By one thread at a time.
  void Enter(const OpDescriptor& call, int peer = -1);
  void Leave(const char* algorithm);
  // The collective that was entered last. Any thread.
  OpDescriptor call() const { return collectives_.Last().call; }
  std::uint64_t sequence() const { return call().sequence; }
  bool inside() const { return inside_.load(std::memory_order_relaxed); }
  // Its calls of both kinds, the latest first.
  std::vector<CallLog::Entry> Calls(std::size_t most) const;

  // What a peer has said about itself.
  struct Progress {
    OpDescriptor call;  // the collective entered last; sequence 0: none yet
    bool inside = false;
    std::string site;  // where in the program
    Clock::time_point heard;
  };
  void Heard(int rank, Progress progress);
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
  CallLog collectives_;
  CallLog messages_;
  CallLog* entered_ = &collectives_;
  std::atomic<bool> inside_{false};
  mutable std::mutex mutex_;
  base::Status failure_;
  std::vector<Progress> progress_;
};

// "the ranks call different things: ..."; kAborted. Where this rank was told where in its program
// it is, it waits a moment to hear the same of the other.
base::Status Mismatch(const Health& health, int other, const OpDescriptor& theirs,
                      const OpDescriptor& mine);

}  // namespace regatta::eccl

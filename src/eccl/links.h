#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "eccl/health.h"
#include "eccl/transport.h"
#include "eccl/wait.h"

namespace regatta::eccl {

// All that an algorithm sees of the world: who it is, and channels to its peers. Waits adaptively,
// and gives up when the communicator fails, a peer has left, or nothing moves for the time-out.
// Used by one thread at a time.
class Links {
 public:
  // channels[rank] is null for this rank. `waiter` and `health` must outlive this.
  Links(int rank, std::vector<std::unique_ptr<Channel>> channels, Waiter* waiter, Health* health,
        std::chrono::milliseconds timeout);

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(channels_.size()); }
  int Left(int by = 1) const { return (rank_ - by % size() + size()) % size(); }
  int Right(int by = 1) const { return (rank_ + by) % size(); }
  Channel* channel(int peer) const { return channels_[static_cast<std::size_t>(peer)].get(); }
  Health* health() const { return health_; }

  // Something that cannot go on before a peer sends, or makes room.
  struct Interest {
    int peer;
    bool sending;
  };
  // Calls `move` until it says that all is done, and waits whenever it moved nothing.
  // `move(bool* moved)` returns a Result<bool>: whether all is done; its errors end the wait.
  // `interests()` returns a vector<Interest>: what it waits for now. Errors of its own: the
  // communicator's failure, kUnavailable (a peer left), kDeadlineExceeded (names who holds it up).
  template <typename Move, typename Interests>
  base::Status Until(Move move, Interests interests) {
    BASE_RETURN_IF_ERROR(Wait(std::move(move), std::move(interests)));
    return buffering_.empty() ? base::Status() : Flush();
  }
  // Any thread: what wires need while nobody waits.
  void Maintain();

  // Sends and receives at the same time, as one message each way; either part may be empty.
  base::Status Exchange(int to, std::span<const std::byte> out, int from, std::span<std::byte> in);
  base::Status Send(int to, std::span<const std::byte> out) { return Exchange(to, out, to, {}); }
  base::Status Receive(int from, std::span<std::byte> in) { return Exchange(from, {}, from, in); }

  // What a channel's error means, once it is known why the peer is gone.
  base::Status LostChannel(int peer, const base::Status& why);

  // Where a call should begin, a peer sent something else.
  base::Status LostStep(int peer) const;

  // What it waits for, when it has waited long enough to sleep. Any thread.
  std::vector<Interest> Waiting() const;
  // Any thread.
  void SetTimeout(std::chrono::milliseconds timeout) { timeout_.store(timeout); }
  std::chrono::milliseconds timeout() const { return timeout_.load(); }

  // "shm", "tcp", "shm+tcp"; "none" for one rank.
  const char* transport_name() const { return transport_name_; }

 private:
  template <typename Move, typename Interests>
  base::Status Wait(Move move, Interests interests) {
    Clock::time_point since{};
    waiter_->Start();
    while (true) {
      bool moved = false;
      BASE_ASSIGN_OR_RETURN(const bool done, move(&moved));
      if (done || moved) {
        if (since != Clock::time_point{}) EndWait();
        if (done) return base::Status();
        waiter_->Stop();
        since = {};
        continue;
      }
      if (health_->failed()) return health_->failure();
      if (waiter_->Pause()) continue;
      BASE_RETURN_IF_ERROR(BeginSleep(interests(), &since));
      // Whatever a peer did before this is found now; what it does later ends the sleep.
      auto last = move(&moved);
      if (!last.ok() || *last || moved || health_->failed()) {
        waiter_->CancelSleep();
        if (!last.ok()) return last.status();
        if (*last || moved) EndWait();
        if (*last) return base::Status();
        if (moved) {
          waiter_->Stop();
          since = {};
        }
        continue;
      }
      BASE_RETURN_IF_ERROR(Sleep());
    }
  }
  // Until everything that wires have taken is on its way without this process.
  base::Status Flush();
  base::Status BeginSleep(std::vector<Interest> interests, Clock::time_point* since);
  base::Status Sleep();
  void EndWait();
  base::Status TimedOut() const;

  int rank_;
  std::vector<std::unique_ptr<Channel>> channels_;
  Waiter* waiter_;
  Health* health_;
  std::atomic<std::chrono::milliseconds> timeout_;
  const char* transport_name_;
  std::vector<int> buffering_;  // peers whose wires take more than they pass on at once
  // Of the sleep that is being begun.
  std::vector<Interest> interests_;
  mutable std::mutex waiting_mutex_;
  std::vector<Interest> waiting_;
  int left_ = -1;  // a peer in shared memory that had already gone away
  std::uint32_t ticket_ = 0;
  std::chrono::microseconds patience_{};
};

}  // namespace regatta::eccl

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "eccl/health.h"
#include "eccl/transport.h"
#include "eccl/wait.h"

namespace regatta::eccl {

// All that an algorithm sees of the world: who it is, and moving bytes to and from peers. Waits
// adaptively, and gives up when the communicator fails, a peer has left, or nothing moves for the
// time-out. Used by one thread at a time.
class Links {
 public:
  // channels[rank] is null for this rank. `waiter` and `health` must outlive this.
  Links(int rank, std::vector<std::unique_ptr<Channel>> channels, Waiter* waiter, Health* health,
        std::chrono::milliseconds timeout);

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(channels_.size()); }
  int Left(int by = 1) const { return (rank_ - by % size() + size()) % size(); }
  int Right(int by = 1) const { return (rank_ + by) % size(); }

  // Sends and receives at the same time; either part may be empty. Errors are those of Wait.
  base::Status Exchange(int to, std::span<const std::byte> out, int from, std::span<std::byte> in);
  base::Status Send(int to, std::span<const std::byte> out) { return Exchange(to, out, to, {}); }
  base::Status Receive(int from, std::span<std::byte> in) { return Exchange(from, {}, from, in); }

  // Memory for an algorithm's own use, valid until the next call. Grows and is kept.
  std::span<std::byte> Scratch(std::size_t bytes);

  // "shm", "tcp", "shm+tcp"; "none" for one rank.
  const char* transport_name() const { return transport_name_; }

 private:
  base::Status MoveSome(Channel* to, std::span<const std::byte>& out, Channel* from,
                        std::span<std::byte>& in, bool* moved);
  // Nothing could move: wait, or say why waiting is pointless.
  base::Status Wait(int to, std::span<const std::byte>& out, int from, std::span<std::byte>& in,
                    bool* moved, Clock::time_point* since);
  base::Status LostChannel(int peer, const base::Status& why);
  base::Status TimedOut(int to, bool sending, int from, bool receiving) const;

  int rank_;
  std::vector<std::unique_ptr<Channel>> channels_;
  Waiter* waiter_;
  Health* health_;
  std::chrono::milliseconds timeout_;
  const char* transport_name_;
  std::vector<std::byte> scratch_;
};

}  // namespace regatta::eccl

#include "eccl/links.h"

#include <poll.h>

#include "base/clock.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;
using namespace std::chrono_literals;

// Long enough to cost nothing, short enough that a peer's departure is noticed even if the wake-up
// for it were lost.
constexpr auto kSlice = 100ms;

const char* TransportName(const std::vector<std::unique_ptr<Channel>>& channels) {
  bool shm = false, tcp = false;
  for (const auto& channel : channels) {
    if (channel == nullptr) continue;
    (channel->poll_fd() < 0 ? shm : tcp) = true;
  }
  if (shm && tcp) return "shm+tcp";
  return shm ? "shm" : tcp ? "tcp" : "none";
}

}  // namespace

Links::Links(int rank, std::vector<std::unique_ptr<Channel>> channels, Waiter* waiter,
             Health* health, std::chrono::milliseconds timeout)
    : rank_(rank),
      channels_(std::move(channels)),
      waiter_(waiter),
      health_(health),
      timeout_(timeout),
      transport_name_(TransportName(channels_)) {}

std::span<std::byte> Links::Scratch(std::size_t bytes) {
  if (scratch_.size() < bytes) scratch_.resize(bytes);
  return {scratch_.data(), bytes};
}

Status Links::Exchange(int to, std::span<const std::byte> out, int from, std::span<std::byte> in) {
  Channel* send = channels_[static_cast<std::size_t>(to)].get();
  Channel* receive = channels_[static_cast<std::size_t>(from)].get();
  Clock::time_point since{};
  waiter_->Start();
  while (!out.empty() || !in.empty()) {
    bool moved = false;
    Status status = MoveSome(send, out, receive, in, &moved);
    if (!status.ok()) {
      // Which of the two it was decides whom the message names.
      const bool sending = status.code() == Code::kDataLoss;
      return LostChannel(sending ? to : from, status);
    }
    if (!moved) {
      BASE_RETURN_IF_ERROR(Wait(to, out, from, in, &moved, &since));
    }
    if (moved) {
      waiter_->Stop();
      since = {};
    }
  }
  return Status();
}

Status Links::MoveSome(Channel* to, std::span<const std::byte>& out, Channel* from,
                       std::span<std::byte>& in, bool* moved) {
  if (!out.empty()) {
    auto sent = to->TrySend(out);
    if (!sent.ok()) return Status(Code::kDataLoss, sent.status().message());
    out = out.subspan(*sent);
    *moved = *moved || *sent > 0;
  }
  if (!in.empty()) {
    auto got = from->TryReceive(in);
    if (!got.ok()) return got.status();
    in = in.subspan(*got);
    *moved = *moved || *got > 0;
  }
  return Status();
}

Status Links::Wait(int to, std::span<const std::byte>& out, int from, std::span<std::byte>& in,
                   bool* moved, Clock::time_point* since) {
  if (health_->failed()) return health_->failure();
  if (waiter_->Pause()) return Status();
  const auto now = Clock::now();
  if (*since == Clock::time_point{}) *since = now;
  if (now - *since >= timeout_) return TimedOut(to, !out.empty(), from, !in.empty());

  Channel* send = channels_[static_cast<std::size_t>(to)].get();
  Channel* receive = channels_[static_cast<std::size_t>(from)].get();
  Waiter::FdInterest fds[2];
  std::size_t fd_count = 0;
  bool shm = false;
  if (!out.empty() && send->poll_fd() >= 0) fds[fd_count++] = {send->poll_fd(), POLLOUT};
  if (!in.empty() && receive->poll_fd() >= 0) fds[fd_count++] = {receive->poll_fd(), POLLIN};
  shm = (!out.empty() && send->poll_fd() < 0) || (!in.empty() && receive->poll_fd() < 0);

  // Read before the last look: whatever a peer sent before it left is found by that look.
  const bool to_left = !out.empty() && send->poll_fd() < 0 && health_->HasLeft(to);
  const bool from_left = !in.empty() && receive->poll_fd() < 0 && health_->HasLeft(from);
  const std::uint32_t ticket = waiter_->PrepareToSleep();
  Status status = MoveSome(send, out, receive, in, moved);
  if (!status.ok() || *moved || health_->failed()) {
    waiter_->CancelSleep();
    if (!status.ok()) return LostChannel(status.code() == Code::kDataLoss ? to : from, status);
    return Status();
  }
  if (to_left || from_left) {
    waiter_->CancelSleep();
    return LostChannel(to_left ? to : from, Status(Code::kUnavailable, "nothing more comes"));
  }
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(*since + timeout_ - now);
  waiter_->Sleep(ticket, {fds, fd_count}, shm, std::min<std::chrono::microseconds>(left, kSlice));
  return Status();
}

Status Links::LostChannel(int peer, const Status& why) {
  // A broken connection is seen here before the monitor has learnt why; its account is better, so
  // it gets a moment.
  const auto until = Clock::now() + 1s;
  // Rank 0 passes reasons on; none comes while it is silent.
  while (!health_->failed() && health_->Silent() != 0 && !health_->HasLeft(peer) &&
         Clock::now() < until) {
    waiter_->Sleep(waiter_->PrepareToSleep(), {}, true, 20ms);
  }
  if (health_->failed()) return health_->failure();
  if (health_->HasLeft(peer)) {
    return Status(Code::kUnavailable,
                  health_->NameOf(peer) + " has left the communicator (ecclCommDestroy)");
  }
  const std::string text =
      "lost the data connection to " + health_->NameOf(peer) + ": " + why.message();
  // The peer may have given up before this rank because a third one hangs: that one is the cause.
  const int silent = health_->Silent();
  if (silent >= 0 && silent != peer) {
    return Status(Code::kDeadlineExceeded, health_->Suspect(health_->sequence()) + "; " + text);
  }
  return Status(Code::kUnavailable, text);
}

Status Links::TimedOut(int to, bool sending, int from, bool receiving) const {
  std::string text = "no progress for " + base::FormatDuration(timeout_.count() * 1000);
  text += ": " + health_->Suspect(health_->sequence());
  if (receiving) text += "; waiting for data from rank " + std::to_string(from);
  if (sending) text += "; waiting for room at rank " + std::to_string(to);
  return Status(Code::kDeadlineExceeded, text);
}

}  // namespace regatta::eccl

#include "eccl/links.h"

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
    (channel->has_bell() ? shm : tcp) = true;
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
      transport_name_(TransportName(channels_)) {
  for (std::size_t peer = 0; peer < channels_.size(); ++peer) {
    if (channels_[peer] != nullptr && channels_[peer]->buffers()) {
      buffering_.push_back(static_cast<int>(peer));
    }
  }
}

base::Status Links::Flush() {
  std::size_t before = 0;
  std::vector<Interest> interests;
  const auto move = [&](bool* moved) -> base::Result<bool> {
    std::size_t left = 0;
    interests.clear();
    for (const int peer : buffering_) {
      auto some = channel(peer)->Flush();
      if (!some.ok()) return LostChannel(peer, some.status());
      left += *some;
      if (*some > 0) interests.push_back({peer, true});
    }
    *moved = left < before;
    before = left;
    return left == 0;
  };
  return Wait(move, [&] { return interests; });
}

void Links::Maintain() {
  for (const int peer : buffering_) channel(peer)->Maintain();
}

Status Links::Exchange(int to, std::span<const std::byte> out, int from, std::span<std::byte> in) {
  Channel* send = channel(to);
  Channel* receive = channel(from);
  const bool sends = !out.empty(), receives = !in.empty();
  const auto move = [&](bool* moved) -> base::Result<bool> {
    if (!out.empty()) {
      auto sent = send->TrySend(out);
      if (!sent.ok()) return LostChannel(to, sent.status());
      out = out.subspan(*sent);
      *moved = *moved || *sent > 0;
    }
    if (!in.empty()) {
      auto got = receive->TryReceive(in);
      if (!got.ok()) return LostChannel(from, got.status());
      in = in.subspan(*got);
      *moved = *moved || *got > 0;
    }
    return out.empty() && in.empty();
  };
  BASE_RETURN_IF_ERROR(Until(move, [&] {
    std::vector<Interest> interests;
    if (!in.empty()) interests.push_back({from, false});
    if (!out.empty()) interests.push_back({to, true});
    return interests;
  }));
  if (sends) send->EndSend();
  if (receives) receive->EndReceive();
  return Status();
}

Status Links::BeginSleep(std::vector<Interest> interests, Clock::time_point* since) {
  const auto now = Clock::now();
  if (*since == Clock::time_point{}) *since = now;
  interests_ = std::move(interests);
  const std::chrono::milliseconds timeout = timeout_;
  if (now - *since >= timeout) return TimedOut();
  patience_ = std::min<std::chrono::microseconds>(
      std::chrono::duration_cast<std::chrono::microseconds>(*since + timeout - now), kSlice);
  // Read before the last look: whatever a peer sent before it left is found by that look.
  left_ = -1;
  for (const Interest& interest : interests_) {
    if (channel(interest.peer)->has_bell() && health_->HasLeft(interest.peer)) {
      left_ = interest.peer;
    }
  }
  {
    const std::lock_guard lock(waiting_mutex_);
    waiting_ = interests_;
  }
  ticket_ = waiter_->PrepareToSleep();
  return Status();
}

void Links::EndWait() {
  const std::lock_guard lock(waiting_mutex_);
  waiting_.clear();
}

std::vector<Links::Interest> Links::Waiting() const {
  const std::lock_guard lock(waiting_mutex_);
  return waiting_;
}

Status Links::Sleep() {
  if (left_ >= 0) {
    waiter_->CancelSleep();
    return LostChannel(left_, Status(Code::kUnavailable, "nothing more comes"));
  }
  std::vector<Waiter::FdInterest> fds;
  bool shm = false;
  for (const Interest& interest : interests_) {
    const Channel* wire = channel(interest.peer);
    shm = shm || wire->has_bell();
    wire->AddPolls(interest.sending, &fds, &patience_);
  }
  waiter_->Sleep(ticket_, fds, shm, patience_);
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

Status Links::LostStep(int peer) const {
  return Status(Code::kAborted, "the ranks call different things: " + health_->NameOf(peer) +
                                    " sent no call where one should begin");
}

Status Links::TimedOut() const {
  std::string text = "no progress for " + base::FormatDuration(timeout_.load().count() * 1000);
  text += ": " + health_->Suspect(health_->sequence());
  for (const Interest& interest : interests_) {
    text += interest.sending ? "; waiting for room at rank " : "; waiting for data from rank ";
    text += std::to_string(interest.peer);
  }
  return Status(Code::kDeadlineExceeded, text);
}

}  // namespace regatta::eccl

#include "eccl/rails/rail_channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>

#include "base/log.h"
#include "eccl/rails/reassembly.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;
using namespace std::chrono_literals;

// What is sent in one piece: large enough for its header and its calls to cost nothing, small
// enough that two rails share a block of a program.
constexpr std::size_t kFrameBytes = 64u << 10;
// So much may be under way on a rail of which nothing is known yet.
constexpr std::uint64_t kUnknownBytes = 256u << 10;
// How long frames are about to be under way before another rail, which has nothing to do, sends
// the last of them again.
constexpr double kLateSeconds = 0.02;
constexpr std::uint64_t kAgainBytes = 256u << 10;
// A rail that was too slow to get anything is tried again after so long.
constexpr auto kForget = 1s;
constexpr auto kLookTime = 20ms;

class Rails final : public RailChannel {
 public:
  Rails(std::vector<std::unique_ptr<Rail>> rails, const RailOptions& options)
      : options_(options),
        rails_(std::move(rails)),
        window_(options.window_bytes),
        reassembly_(options.window_bytes) {}

  base::Result<std::size_t> TrySend(std::span<const std::byte> data) override {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    if (data.size() > Room()) Refresh(now);
    const std::size_t bytes = std::min(data.size(), Room());
    if (bytes > 0) {
      window_.Put(filled_, data.first(bytes));
      filled_ += bytes;
      sent_.store(filled_, std::memory_order_relaxed);
    }
    Look(now);
    Pump(now);
    BASE_RETURN_IF_ERROR(CanSend(now));
    return bytes;
  }

  base::Result<std::size_t> TryReceive(std::span<std::byte> data) override {
    const std::lock_guard lock(mutex_);
    std::span<std::byte> left = data;
    for (bool any = true; any && !left.empty();) {
      any = false;
      left = left.subspan(reassembly_.Take(left));
      for (const auto& rail : rails_) {
        auto got = reassembly_.Read(rail.get(), &left);
        if (got.ok()) {
          any = any || *got;
          continue;
        }
        rail->StopReceiving(got.status());
        // The peer does not close one direction alone.
        Lose(rail.get(), got.status());
        any = true;
      }
    }
    const std::size_t bytes = data.size() - left.size();
    received_.store(received_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
    const auto now = Clock::now();
    Look(now);
    if (Unsent()) Pump(now);
    if (bytes > 0) return bytes;
    if (std::ranges::none_of(rails_, [](const auto& rail) { return rail->can_receive(); })) {
      return Gone();
    }
    BASE_RETURN_IF_ERROR(CanSend(now));
    return bytes;
  }

  base::Result<std::size_t> Flush() override {
    const std::lock_guard lock(mutex_);
    if (!Unsent()) return std::size_t{0};
    const auto now = Clock::now();
    Look(now);
    Pump(now);
    BASE_RETURN_IF_ERROR(CanSend(now));
    if (!Unsent()) return std::size_t{0};
    std::size_t left = filled_ - cut_;
    for (const std::uint64_t number : again_) left += number < first_ ? 0 : FrameOf(number).length;
    for (const auto& rail : rails_) left += rail->can_send() ? rail->unwritten() : 0;
    return std::max<std::size_t>(left, 1);
  }
  bool buffers() const override { return true; }

  void Maintain() override {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    Look(now);
    Pump(now);
    for (const auto& rail : rails_) Tell(rail.get());
  }

  bool has_bell() const override { return false; }
  void AddPolls(bool sending, std::vector<Waiter::FdInterest>* polls,
                std::chrono::microseconds* limit) const override {
    const std::lock_guard lock(mutex_);
    for (const auto& rail : rails_) {
      const bool reads = !sending && rail->can_receive() && !reassembly_.Chokes(*rail);
      const bool writes = rail->can_send() && rail->writing();
      if (!reads && !writes) continue;
      polls->push_back(
          {rail->fd(), static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0))});
    }
    // That the peer's host has received something wakes nobody.
    const bool waits = (sending || filled_ > acknowledged_) && !flying_.empty();
    if (waits) *limit = std::min<std::chrono::microseconds>(*limit, sending ? 500us : 20ms);
  }

  const char* name() const override { return "tcp"; }
  Traffic traffic() const override {
    return {sent_.load(std::memory_order_relaxed), received_.load(std::memory_order_relaxed)};
  }
  std::vector<RailInfo> rails() const override {
    const std::lock_guard lock(mutex_);
    std::vector<RailInfo> infos;
    for (const auto& rail : rails_) {
      const bool up = rail->can_send() && rail->can_receive();
      infos.push_back({.name = rail->name(),
                       .interface = rail->interface(),
                       .sent = rail->sent_bytes(),
                       .received = rail->received_bytes(),
                       .bytes_per_second = rail->rate(),
                       .state = !up               ? "down"
                                : rail->stalled() ? "silent"
                                                  : "up",
                       .why = rail->why_down()});
    }
    return infos;
  }

 private:
  struct Frame {
    std::uint64_t offset;
    std::uint32_t length;
    bool arrived = false;
    bool twice = false;  // sent again because its rail is late
  };

  std::size_t Room() const { return window_.size() - (filled_ - acknowledged_); }
  bool Unsent() const {
    return cut_ < filled_ || !again_.empty() ||
           std::ranges::any_of(
               rails_, [](const auto& rail) { return rail->can_send() && rail->writing(); });
  }
  Frame& FrameOf(std::uint64_t number) { return flying_[number - first_]; }

  void Refresh(Clock::time_point now) {
    for (const auto& rail : rails_) {
      if (rail->can_send()) Refresh(rail.get(), now);
    }
  }
  void Refresh(Rail* rail, Clock::time_point now) {
    rail->Refresh(now, [this](std::uint64_t number) {
      if (number >= first_) FrameOf(number).arrived = true;
    });
    while (!flying_.empty() && flying_.front().arrived) {
      acknowledged_ = flying_.front().offset + flying_.front().length;
      flying_.pop_front();
      ++first_;
    }
  }

  // Whether rails deliver, from time to time.
  void Look(Clock::time_point now) {
    if (now - looked_ < kLookTime) return;
    looked_ = now;
    Refresh(now);
    for (const auto& rail : rails_) {
      if (rail->can_send() && !rail->stalled() && rail->Silent(now, options_.patience)) {
        rail->SetStalled(now);
        SendAgain(*rail);
      }
    }
  }

  // None of its frames that have not arrived is lost.
  void SendAgain(const Rail& rail) {
    for (const Rail::Flying& flying : rail.flying()) {
      if (flying.number < first_ || FrameOf(flying.number).arrived) continue;
      if (std::ranges::find(again_, flying.number) == again_.end()) {
        again_.push_back(flying.number);
      }
    }
    std::ranges::sort(again_);
  }

  void Lose(Rail* rail, const Status& why) {
    if (!rail->can_send()) return;
    rail->StopSending(why);
    SendAgain(*rail);
    // So that the peer, which may still see a connection, does the same.
    shutdown(rail->fd(), SHUT_RDWR);
  }

  void Tell(Rail* rail) {
    const bool down = !rail->can_send() || !rail->can_receive();
    const auto at = static_cast<std::size_t>(
        std::ranges::find(rails_, rail, [](const auto& one) { return one.get(); }) -
        rails_.begin());
    told_.resize(rails_.size());
    const int state = down ? 2 : rail->stalled() ? 1 : 0;
    if (told_[at] == state) return;
    told_[at] = state;
    // When all are gone, the peer is.
    if (std::ranges::none_of(rails_, [](const auto& one) { return one->can_send(); })) return;
    const char* what = state == 2   ? "a rail is down; the others carry its bytes"
                       : state == 1 ? "a rail is silent; the others carry its bytes"
                                    : "a rail that was silent works again";
    base::Log(state == 0 ? base::LogLevel::kInfo : base::LogLevel::kWarning, "eccl", what,
              {{"rail", rail->name()}, {"why", rail->why_down()}});
  }

  Status Gone() const {
    Status why(Code::kUnavailable, "no rail is left");
    for (const auto& rail : rails_) {
      if (!rail->why_down().empty()) why = Status(Code::kUnavailable, rail->why_down());
    }
    return why;
  }

  Status CanSend(Clock::time_point now) const {
    bool any = false, delivers = false;
    auto since = now;
    for (const auto& rail : rails_) {
      if (!rail->can_send()) continue;
      any = true;
      delivers = delivers || !rail->stalled();
      if (rail->stalled()) since = std::min(since, rail->stalled_since());
    }
    // What has come is still there to be received.
    if (!any) {
      const bool more =
          std::ranges::any_of(rails_, [](const auto& rail) { return rail->can_receive(); });
      return more && filled_ == acknowledged_ ? Status() : Gone();
    }
    if (delivers || flying_.empty() || now - since < options_.all_patience) return Status();
    return Status(Code::kUnavailable, "no rail delivers anything");
  }

  // Writes what can be written now.
  void Pump(Clock::time_point now) {
    for (const auto& rail : rails_) Write(rail.get());
    for (;;) {
      while (!again_.empty() && (again_.front() < first_ || FrameOf(again_.front()).arrived)) {
        again_.pop_front();
      }
      std::uint64_t number = first_ + flying_.size();
      if (!again_.empty()) {
        number = again_.front();
      } else if (cut_ == filled_) {
        SendLateAgain(now);
        return;
      }
      const bool fresh = again_.empty();
      const std::size_t length =
          fresh ? std::min<std::size_t>(kFrameBytes, filled_ - cut_) : FrameOf(number).length;
      Rail* rail = Best(length, now);
      if (rail == nullptr || rail->writing()) return;
      if (fresh) {
        flying_.push_back({cut_, static_cast<std::uint32_t>(length)});
        cut_ += length;
      } else {
        again_.pop_front();
      }
      Begin(rail, number);
    }
  }

  void Begin(Rail* rail, std::uint64_t number) {
    const Frame& frame = FrameOf(number);
    rail->Begin(number, {frame.length, frame.offset});
    Write(rail);
  }

  void Write(Rail* rail) {
    if (!rail->can_send() || !rail->writing()) return;
    if (auto wrote = rail->Write(&window_); !wrote.ok()) Lose(rail, wrote.status());
  }

  // Seconds until so much more would be there.
  double Time(const Rail& rail, std::size_t more, double otherwise) const {
    const double rate = rail.rate() > 0 ? rail.rate() : otherwise;
    return static_cast<double>(rail.outstanding() + more) / rate;
  }

  // The rail on which so much more would be there first, though it may be busy; null when it is
  // better to wait.
  Rail* Best(std::size_t more, Clock::time_point now) {
    double fastest = 0;
    bool delivers = false;
    for (const auto& rail : rails_) {
      if (!rail->can_send()) continue;
      if (!rail->writing()) Refresh(rail.get(), now);
      fastest = std::max(fastest, rail->rate());
      delivers = delivers || !rail->stalled();
    }
    const double otherwise = fastest > 0 ? fastest : 125e6;
    Rail* best = nullptr;
    double least = 0;
    for (const auto& rail : rails_) {
      if (!rail->can_send() || (delivers && rail->stalled())) continue;
      if (rail->rate() == 0 && rail->outstanding() > 0 &&
          rail->outstanding() + more > kUnknownBytes) {
        continue;
      }
      double time = Time(*rail, more, otherwise);
      if (rail->outstanding() == 0 && now - rail->measured() > kForget && fastest > 0) {
        time = std::min(time, static_cast<double>(window_.size()) / 2 / fastest);
      }
      if (best == nullptr || time < least) {
        best = rail.get();
        least = time;
      }
    }
    return best;
  }

  // A rail that has suddenly become slow still has what it was given. Rails with nothing to do send
  // that, too, from its end.
  void SendLateAgain(Clock::time_point now) {
    if (flying_.empty()) return;
    for (const auto& rail : rails_) {
      while (rail->can_send() && !rail->stalled() && !rail->writing() && rail->rate() > 0) {
        Refresh(rail.get(), now);
        if (rail->outstanding() >= kAgainBytes) break;
        const double own = Time(*rail, kFrameBytes, 1);
        Rail* late = nullptr;
        double most = kLateSeconds + 2 * own;
        for (const auto& other : rails_) {
          if (other == rail || !other->can_send() || other->rate() == 0) continue;
          const double time = Time(*other, 0, 1);
          if (time > most) {
            late = other.get();
            most = time;
          }
        }
        if (late == nullptr) break;
        const auto& frames = late->flying();
        const auto last = std::find_if(frames.rbegin(), frames.rend(), [&](const auto& flying) {
          return flying.number >= first_ && !FrameOf(flying.number).arrived &&
                 !FrameOf(flying.number).twice;
        });
        if (last == frames.rend()) break;
        FrameOf(last->number).twice = true;
        Begin(rail.get(), last->number);
      }
    }
  }

  const RailOptions options_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Rail>> rails_;
  std::vector<int> told_;
  Clock::time_point looked_{};

  // Sending: bytes below acknowledged_ have arrived, those below cut_ are in frames, those below
  // filled_ in the window.
  Window window_;
  std::uint64_t acknowledged_ = 0, cut_ = 0, filled_ = 0;
  std::uint64_t first_ = 0;   // number of the first of flying_
  std::deque<Frame> flying_;  // not all have arrived
  std::deque<std::uint64_t> again_;

  Reassembly reassembly_;
  std::atomic<std::uint64_t> sent_{0}, received_{0};
};

}  // namespace

std::size_t RailWindowBytes(int peers) {
  constexpr std::size_t kMost = 4u << 20, kLeast = 256u << 10, kTotal = 128u << 20;
  std::size_t bytes = kMost;
  while (bytes > kLeast && bytes * static_cast<std::size_t>(peers) > kTotal) bytes /= 2;
  return bytes;
}

std::unique_ptr<RailChannel> RailChannel::Make(std::vector<std::unique_ptr<Rail>> rails,
                                               const RailOptions& options) {
  return std::make_unique<Rails>(std::move(rails), options);
}

}  // namespace regatta::eccl

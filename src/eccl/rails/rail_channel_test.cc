// Channels of several connections: what happens when one of them dies, is silent or slow.

#include "eccl/rails/rail_channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <random>
#include <thread>

#include "eccl/rails/reassembly.h"
#include "eccl/testing/sockets.h"

namespace regatta::eccl {
namespace {

using namespace std::chrono_literals;

std::vector<std::byte> Bytes(std::size_t size) {
  std::mt19937 random(7);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

// Passes on what comes, both ways, at most so fast from the first socket to the second; stops and
// starts again, or breaks the connection, when told to.
class Relay {
 public:
  Relay(base::UniqueFd left, base::UniqueFd right, std::int64_t bytes_per_ms)
      : left_(std::move(left)), right_(std::move(right)), bytes_per_ms_(bytes_per_ms) {
    // So that little is kept here.
    const int size = 64 << 10;
    setsockopt(left_.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    setsockopt(right_.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }
  void SetRate(std::int64_t bytes_per_ms) { bytes_per_ms_.store(bytes_per_ms); }
  std::uint64_t passed() const { return passed_.load(); }
  // A reset, as from a host that does not know the connection any more.
  void Break() {
    thread_.request_stop();
    thread_.join();
    const linger reset{.l_onoff = 1, .l_linger = 0};
    for (base::UniqueFd* fd : {&left_, &right_}) {
      setsockopt(fd->get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
      fd->Reset();
    }
  }

 private:
  void Run(const std::stop_token& stop) {
    std::vector<std::byte> buffer(64u << 10), held;
    auto last = Clock::now();
    double allowed = 0;
    while (!stop.stop_requested()) {
      pollfd items[] = {{left_.get(), POLLIN, 0}, {right_.get(), POLLIN, 0}};
      poll(items, 2, 1);
      const ssize_t back = recv(right_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (back == 0) return;
      if (back > 0 && !Pass(left_.get(), {buffer.data(), static_cast<std::size_t>(back)}, stop)) {
        return;
      }
      const auto now = Clock::now();
      const auto rate = static_cast<double>(bytes_per_ms_.load());
      allowed = std::min(
          allowed + rate * std::chrono::duration<double, std::milli>(now - last).count(), 8 * rate);
      last = now;
      const auto most = std::min(buffer.size(), static_cast<std::size_t>(allowed));
      if (most == 0) continue;
      const ssize_t got = recv(left_.get(), buffer.data(), most, MSG_DONTWAIT);
      if (got == 0) {
        shutdown(right_.get(), SHUT_WR);
        return;
      }
      if (got < 0) continue;
      allowed -= static_cast<double>(got);
      passed_ += static_cast<std::uint64_t>(got);
      if (!Pass(right_.get(), {buffer.data(), static_cast<std::size_t>(got)}, stop)) return;
    }
  }
  static bool Pass(int fd, std::span<const std::byte> data, const std::stop_token& stop) {
    while (!data.empty() && !stop.stop_requested()) {
      const ssize_t sent = send(fd, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) data = data.subspan(static_cast<std::size_t>(sent));
      if (sent < 0 && errno != EAGAIN) return false;
      pollfd item{fd, POLLOUT, 0};
      if (sent < 0) poll(&item, 1, 1);
    }
    return data.empty();
  }

  base::UniqueFd left_, right_;
  std::atomic<std::int64_t> bytes_per_ms_;
  std::atomic<std::uint64_t> passed_{0};
  std::jthread thread_;
};

// Two ends with a relay on each rail.
struct Wired {
  std::unique_ptr<Channel> sender, receiver;
  std::vector<std::unique_ptr<Relay>> relays;
  std::vector<base::UniqueFd> near_ends;  // the sender's, once more

  // The rail ends with a frame cut in its middle; what was acknowledged arrives.
  void Cut(std::size_t rail) { shutdown(near_ends[rail].get(), SHUT_RDWR); }

  explicit Wired(const std::vector<std::int64_t>& bytes_per_ms, RailOptions options = {}) {
    std::vector<base::UniqueFd> from, to;
    for (const std::int64_t rate : bytes_per_ms) {
      auto near = ConnectedSockets(), far = ConnectedSockets();
      const int size = 64 << 10;
      setsockopt(near[0].get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
      near_ends.emplace_back(dup(near[0].get()));
      from.push_back(std::move(near[0]));
      to.push_back(std::move(far[1]));
      relays.push_back(std::make_unique<Relay>(std::move(near[1]), std::move(far[0]), rate));
    }
    sender = MakeRails(std::move(from), options);
    receiver = MakeRails(std::move(to), options);
  }
};

// Sends and receives `data`; calls `event(received)` as bytes arrive. The first error of either
// end.
base::Status Transfer(
    Channel* sender, Channel* receiver, std::span<const std::byte> data,
    const std::function<void(std::size_t)>& event = [](std::size_t) {}) {
  std::vector<std::byte> in(data.size());
  std::size_t sent = 0, got = 0;
  const auto deadline = Clock::now() + 60s;
  while (got < in.size() && Clock::now() < deadline) {
    bool moved = false;
    if (sent < data.size()) {
      auto some =
          sender->TrySend(data.subspan(sent, std::min<std::size_t>(100'003, data.size() - sent)));
      if (!some.ok()) return some.status();
      sent += *some;
      moved = *some > 0;
    } else {
      BASE_RETURN_IF_ERROR(sender->Flush().status());
    }
    auto some = receiver->TryReceive(
        std::span(in).subspan(got, std::min<std::size_t>(70'001, in.size() - got)));
    if (!some.ok()) return some.status();
    got += *some;
    moved = moved || *some > 0;
    event(got);
    if (!moved) std::this_thread::yield();
  }
  if (got < in.size()) return base::Status(base::Code::kDeadlineExceeded, "not all arrived");
  EXPECT_TRUE(std::equal(in.begin(), in.end(), data.begin()));
  return base::Status();
}

constexpr std::int64_t kFast = 50'000;  // bytes/ms

TEST(RailChannel, UsesAllRails) {
  Wired wired({kFast, kFast, kFast});
  // Long enough for a rail that was measured at a bad moment to be tried again.
  EXPECT_TRUE(Transfer(wired.sender.get(), wired.receiver.get(), Bytes(192 << 20)).ok());
  for (const auto& relay : wired.relays) EXPECT_GT(relay->passed(), 4u << 20);
}

TEST(RailChannel, GivesASlowRailItsShare) {
  Wired wired({20'000, 5'000});
  const auto data = Bytes(32 << 20);
  ASSERT_TRUE(Transfer(wired.sender.get(), wired.receiver.get(), data).ok());
  const double share =
      static_cast<double>(wired.relays[1]->passed()) / static_cast<double>(data.size());
  EXPECT_GT(share, 0.03);  // less than its share where sanitizers slow the relays
  EXPECT_LT(share, 0.3) << "a fifth is right";
}

TEST(RailChannel, ARailThatBecomesSlowGetsLess) {
  Wired wired({20'000, 20'000});
  const auto data = Bytes(48 << 20);
  std::uint64_t before = 0;
  ASSERT_TRUE(Transfer(wired.sender.get(), wired.receiver.get(), data, [&](std::size_t got) {
                if (before > 0 || got < data.size() / 2) return;
                before = wired.relays[1]->passed();
                wired.relays[1]->SetRate(1'000);
              }).ok());
  const auto after = static_cast<double>(wired.relays[1]->passed() - before);
  EXPECT_GT(static_cast<double>(before), 0.3 * static_cast<double>(data.size()) / 2);
  EXPECT_LT(after, 0.15 * static_cast<double>(data.size()) / 2);
}

TEST(RailChannel, SendsWhatADeadRailHadAgainOverTheOthers) {
  for (const std::size_t victim : {std::size_t{0}, std::size_t{1}}) {
    Wired wired({kFast, kFast});
    const auto data = Bytes(24 << 20);
    bool broken = false;
    EXPECT_TRUE(Transfer(wired.sender.get(), wired.receiver.get(), data, [&](std::size_t got) {
                  if (broken || got < data.size() / 3) return;
                  broken = true;
                  wired.Cut(victim);
                }).ok());
    EXPECT_TRUE(broken);
    const auto rails = wired.sender->rails();
    EXPECT_STREQ(rails[victim].state, "down");
    EXPECT_FALSE(rails[victim].why.empty());
    EXPECT_STREQ(rails[1 - victim].state, "up");
  }
}

TEST(RailChannel, IsBrokenWhenAllRailsAre) {
  Wired wired({kFast, kFast});
  const auto data = Bytes(24 << 20);
  bool broken = false;
  const base::Status status =
      Transfer(wired.sender.get(), wired.receiver.get(), data, [&](std::size_t got) {
        if (broken || got < data.size() / 3) return;
        broken = true;
        for (auto& relay : wired.relays) relay->Break();
      });
  EXPECT_EQ(status.code(), base::Code::kUnavailable) << status.message();
}

TEST(RailChannel, DeliversEverythingBeforeItReportsThatThePeerClosed) {
  Wired wired({kFast, kFast});
  const auto data = Bytes(1 << 20);
  ASSERT_EQ(*wired.sender->TrySend(data), data.size());
  std::vector<std::byte> in(data.size() + 1);
  std::size_t got = 0;
  // The connections hold less than all of it.
  while (*wired.sender->Flush() > 0) {
    got += *wired.receiver->TryReceive(
        std::span(in).subspan(got, std::min(in.size() - got, std::size_t{4096})));
  }
  wired.near_ends.clear();
  wired.sender.reset();
  base::Status end;
  while (end.ok()) {
    auto some = wired.receiver->TryReceive(std::span(in).subspan(got));
    if (some.ok()) {
      got += *some;
    } else {
      end = some.status();
    }
  }
  in.pop_back();
  EXPECT_EQ(got, data.size());
  EXPECT_EQ(in, data);
  EXPECT_EQ(end.code(), base::Code::kUnavailable);
}

TEST(RailChannel, SaysThatAllAreSilent) {
  // Nobody reads at the other end, but its kernel answers: that is a peer which computes.
  auto both = ConnectedSockets();
  auto others = ConnectedSockets();
  std::vector<base::UniqueFd> near;
  near.push_back(std::move(both[0]));
  near.push_back(std::move(others[0]));
  auto channel = MakeRails(std::move(near), {.patience = 1ms, .all_patience = 1ms});
  const auto data = Bytes(1 << 20);
  ASSERT_TRUE(channel->TrySend(data).ok());
  const auto until = Clock::now() + 100ms;
  while (Clock::now() < until) {
    channel->Maintain();
    ASSERT_TRUE(channel->Flush().ok());
  }
  for (const RailInfo& rail : channel->rails()) EXPECT_STREQ(rail.state, "up");
}

// --- the receiving side by itself ---

void SendFrame(int fd, std::uint64_t offset, std::string_view text) {
  std::vector<std::byte> frame(RailHeader::kBytes + text.size());
  RailHeader{static_cast<std::uint32_t>(text.size()), offset}.Encode(frame.data());
  std::memcpy(frame.data() + RailHeader::kBytes, text.data(), text.size());
  ASSERT_EQ(send(fd, frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
}

struct Ends {
  Ends() {
    auto both = ConnectedSockets();
    out = std::move(both[0]);
    rail = std::make_unique<Rail>(std::move(both[1]), "lo");
  }
  base::UniqueFd out;
  std::unique_ptr<Rail> rail;
};

std::string ReadAll(Reassembly* reassembly, std::span<Ends> ends) {
  std::string text;
  char buffer[64];
  for (int i = 0; i < 3; ++i) {
    for (Ends& end : ends) {
      std::span<std::byte> left = std::as_writable_bytes(std::span(buffer));
      EXPECT_TRUE(reassembly->Read(end.rail.get(), &left).ok());
      text.append(buffer, sizeof(buffer) - left.size());
      const std::size_t more = reassembly->Take(std::as_writable_bytes(std::span(buffer)));
      text.append(buffer, more);
    }
  }
  return text;
}

TEST(Reassembly, PutsFramesOfSeveralRailsInOrderAndDropsWhatComesTwice) {
  Reassembly reassembly(64);
  Ends ends[2];
  SendFrame(ends[1].out.get(), 5, " world");
  SendFrame(ends[1].out.get(), 5, " world");
  EXPECT_EQ(ReadAll(&reassembly, ends), "");
  SendFrame(ends[0].out.get(), 0, "hello");
  SendFrame(ends[0].out.get(), 2, "llo wor");
  SendFrame(ends[0].out.get(), 11, "!");
  EXPECT_EQ(ReadAll(&reassembly, ends), "hello world!");
}

TEST(Reassembly, WaitsWithAFrameThatIsTooFarAhead) {
  Reassembly reassembly(8);
  Ends ends[2];
  SendFrame(ends[1].out.get(), 4, "efghijkl");
  EXPECT_EQ(ReadAll(&reassembly, ends), "");
  EXPECT_TRUE(reassembly.Chokes(*ends[1].rail));
  SendFrame(ends[0].out.get(), 0, "abcd");
  EXPECT_EQ(ReadAll(&reassembly, ends), "abcdefghijkl");
  EXPECT_FALSE(reassembly.Chokes(*ends[1].rail));
}

TEST(Reassembly, RefusesWhatIsNoFrame) {
  Reassembly reassembly(64);
  Ends end;
  ASSERT_EQ(send(end.out.get(), "GET / HTTP/1.1\r\n", 16, 0), 16);
  std::span<std::byte> none;
  EXPECT_EQ(reassembly.Read(end.rail.get(), &none).status().code(), base::Code::kDataLoss);
}

// Random frames of random rails, some of them twice.
TEST(Reassembly, GivesTheStreamWhateverTheOrder) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    const std::string data = [&] {
      std::string text(2000, ' ');
      for (char& c : text) c = static_cast<char>(random());
      return text;
    }();
    Reassembly reassembly(256);
    Ends ends[3];
    std::string got;
    for (std::size_t at = 0; at < data.size();) {
      // What may be under way at one time.
      std::vector<std::pair<std::size_t, std::size_t>> frames;
      std::size_t end = at;
      while (end < std::min(at + 200, data.size())) {
        const std::size_t size = std::min<std::size_t>(1 + random() % 60, data.size() - end);
        frames.emplace_back(end, size);
        if (random() % 4 == 0) frames.emplace_back(end, size);
        end += size;
      }
      std::ranges::shuffle(frames, random);
      for (const auto& [offset, size] : frames) {
        SendFrame(ends[random() % 3].out.get(), offset,
                  std::string_view(data).substr(offset, size));
      }
      while (got.size() < end) got += ReadAll(&reassembly, ends);
      at = end;
    }
    ASSERT_EQ(got, data);
  }
}

}  // namespace
}  // namespace regatta::eccl

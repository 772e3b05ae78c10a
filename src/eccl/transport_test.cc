// The contract of Channel, run over every wire.

#include "eccl/transport.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <random>
#include <thread>

#include "eccl/links.h"
#include "eccl/shm_channel.h"
#include "eccl/testing/sockets.h"
#include "eccl/wait.h"
#include "eccl/wire.h"

namespace regatta::eccl {
namespace {

struct Pair {
  std::unique_ptr<Channel> ends[2];
  Waiter waiters[2];
};

void MakePair(const std::string& wire, Pair* pair) {
  if (wire == "shm") {
    std::shared_ptr<ShmSegment> segments[2];
    for (int i = 0; i < 2; ++i) {
      auto made = ShmSegment::Create(1, 4096);
      ASSERT_TRUE(made.ok()) << made.status().ToString();
      segments[i] = *made;
    }
    for (int i = 0; i < 2; ++i) {
      auto opened = ShmSegment::Open(segments[1 - i]->Ticket());
      ASSERT_TRUE(opened.ok()) << opened.status().ToString();
      pair->ends[i] = *ShmChannel::Make(segments[i], 0, *opened, 0);
      pair->waiters[i].UseBell(segments[i]->bell());
    }
    return;
  }
  if (wire == "rails") {
    std::vector<base::UniqueFd> sockets[2];
    for (int rail = 0; rail < 3; ++rail) {
      auto both = ConnectedSockets();
      for (int i = 0; i < 2; ++i)
        sockets[i].push_back(std::move(both[static_cast<std::size_t>(i)]));
    }
    for (int i = 0; i < 2; ++i) pair->ends[i] = MakeRails(std::move(sockets[i]));
    return;
  }
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  for (int i = 0; i < 2; ++i) pair->ends[i] = MakeTcpChannel(base::UniqueFd(fds[i]));
}

class Transport : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { MakePair(GetParam(), &pair_); }
  Pair pair_;
};

std::vector<std::byte> Bytes(std::size_t size) {
  std::mt19937 random(1);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

TEST_P(Transport, AnEmptyChannelGivesNothingAndAFullOneTakesNothing) {
  std::byte one{};
  EXPECT_EQ(*pair_.ends[0]->TryReceive({&one, 1}), 0u);
  const std::vector<std::byte> block = Bytes(4096);
  std::size_t taken = 0;
  for (;;) {
    const auto sent = pair_.ends[0]->TrySend(block);
    ASSERT_TRUE(sent.ok());
    if (*sent == 0) break;
    taken += *sent;
  }
  EXPECT_GT(taken, 0u);
  std::vector<std::byte> in(taken + 1);
  std::size_t got = 0;
  const Deadline deadline = Clock::now() + std::chrono::seconds(20);
  while (got < taken && Clock::now() < deadline) {
    ASSERT_TRUE(pair_.ends[0]->Flush().ok());
    got += *pair_.ends[1]->TryReceive(std::span(in).subspan(got));
  }
  EXPECT_EQ(got, taken);
  EXPECT_EQ(*pair_.ends[1]->TryReceive({&one, 1}), 0u);
  std::size_t more = 0;
  while (more == 0 && Clock::now() < deadline) more = *pair_.ends[0]->TrySend(block);
  EXPECT_GT(more, 0u) << "there is room again";
}

TEST_P(Transport, BytesArriveWholeAndInOrderInOddPieces) {
  const std::vector<std::byte> data = Bytes(1'000'003);
  std::vector<std::byte> in(data.size());
  std::jthread sender([&] {
    std::size_t at = 0;
    std::size_t piece = 1;
    while (at < data.size()) {
      const std::size_t size = std::min(piece, data.size() - at);
      at += *pair_.ends[0]->TrySend({data.data() + at, size});
      piece = piece % 5000 + 7;
      std::this_thread::yield();
    }
    while (*pair_.ends[0]->Flush() > 0) std::this_thread::yield();
  });
  std::size_t got = 0;
  while (got < in.size()) {
    got += *pair_.ends[1]->TryReceive(
        std::span(in).subspan(got, std::min<std::size_t>(999, in.size() - got)));
    std::this_thread::yield();
  }
  EXPECT_EQ(in, data);
}

// Two Links over one pair of channels, as two ranks have them.
TEST_P(Transport, AWaitingRankIsWokenByItsPeersData) {
  using namespace std::chrono_literals;
  const std::vector<std::string> names{"rank 0", "rank 1"};
  Health health0(0, names, [&] { pair_.waiters[0].Wake(); });
  Health health1(1, names, [&] { pair_.waiters[1].Wake(); });
  std::vector<std::unique_ptr<Channel>> channels0(2), channels1(2);
  channels0[1] = std::move(pair_.ends[0]);
  channels1[0] = std::move(pair_.ends[1]);
  Links links0(0, std::move(channels0), &pair_.waiters[0], &health0, 20s);
  Links links1(1, std::move(channels1), &pair_.waiters[1], &health1, 20s);
  const std::vector<std::byte> data = Bytes(20'001);
  std::jthread other([&] {
    std::vector<std::byte> in(data.size());
    for (int round = 0; round < 200; ++round) {
      EXPECT_TRUE(links1.Receive(0, in).ok());
      EXPECT_TRUE(links1.Send(0, in).ok());
    }
  });
  std::vector<std::byte> back(data.size());
  for (int round = 0; round < 200; ++round) {
    ASSERT_TRUE(links0.Send(1, data).ok());
    ASSERT_TRUE(links0.Receive(1, back).ok());
    ASSERT_EQ(back, data);
  }
}

TEST_P(Transport, AFailureElsewhereEndsTheWait) {
  using namespace std::chrono_literals;
  Health health(0, {"rank 0", "rank 1"}, [&] { pair_.waiters[0].Wake(); });
  std::vector<std::unique_ptr<Channel>> channels(2);
  channels[1] = std::move(pair_.ends[0]);
  Links links(0, std::move(channels), &pair_.waiters[0], &health, 60s);
  std::jthread failing(
      [&] { health.Fail(base::Status(base::Code::kUnavailable, "rank 1 is gone")); });
  std::byte one{};
  const base::Status status = links.Receive(1, {&one, 1});
  EXPECT_EQ(status.message(), "rank 1 is gone");
}

INSTANTIATE_TEST_SUITE_P(Wires, Transport, testing::Values("shm", "tcp", "rails"),
                         [](const auto& info) { return std::string(info.param); });

TEST(ShmSegment, RefusesMemoryThatIsNotThePeers) {
  auto segment = ShmSegment::Create(1, 4096);
  ASSERT_TRUE(segment.ok());
  std::string ticket = (*segment)->Ticket();
  ticket.back() = static_cast<char>(ticket.back() ^ 1);  // another secret
  EXPECT_FALSE(ShmSegment::Open(ticket).ok());
  EXPECT_FALSE(ShmSegment::Open("short").ok());
}

TEST(TcpChannel, DeliversEverythingBeforeItReportsThatThePeerClosed) {
  Pair pair;
  MakePair("tcp", &pair);
  const std::vector<std::byte> data = Bytes(100);
  ASSERT_EQ(*pair.ends[0]->TrySend(data), 100u);
  pair.ends[0].reset();
  std::vector<std::byte> in(200);
  EXPECT_EQ(*pair.ends[1]->TryReceive(in), 100u);
  EXPECT_EQ(pair.ends[1]->TryReceive(in).status().code(), base::Code::kUnavailable);
}

TEST(ShmSegment, RingsAreSmallerWhereThereAreMany) {
  EXPECT_EQ(ShmSegment::RingBytes(1), 2u << 20);
  EXPECT_EQ(ShmSegment::RingBytes(3), 2u << 20);
  EXPECT_EQ(ShmSegment::RingBytes(7), 1u << 20);
  EXPECT_EQ(ShmSegment::RingBytes(1000), 128u << 10);
  auto much = ShmSegment::Create(1, 64u << 20);
  ASSERT_TRUE(much.ok()) << much.status().message();
  EXPECT_EQ(ShmSegment::RingBytes(1), 128u << 10) << "while the process has so much";
  much->reset();
  EXPECT_EQ(ShmSegment::RingBytes(1), 2u << 20);
}

}  // namespace
}  // namespace regatta::eccl

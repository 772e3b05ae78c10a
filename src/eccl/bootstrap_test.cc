#include "eccl/bootstrap.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "eccl/options.h"
#include "regatta/eccl.h"

namespace regatta::eccl {
namespace {

using namespace std::chrono_literals;

struct Joined {
  base::Status status;
  std::unique_ptr<Bootstrap> bootstrap;
};

// A meeting place on a free port; ranks join from threads.
class BootstrapTest : public testing::Test {
 protected:
  void SetUp() override {
    auto listener = Listen("127.0.0.1", 0);
    ASSERT_TRUE(listener.ok()) << listener.status().ToString();
    listener_ = *std::move(listener);
    port_ = LocalPort(listener_.get());
  }
  Joined Join(int rank, int size, const std::string& key, std::chrono::milliseconds limit) {
    BootstrapOptions options{.rank = rank,
                             .size = size,
                             .host = "127.0.0.1",
                             .port = port_,
                             .key = key,
                             .deadline = Clock::now() + limit};
    if (rank == 0) options.listener = std::move(listener_);
    auto joined = Bootstrap::Join(std::move(options));
    if (!joined.ok()) return {joined.status(), nullptr};
    return {base::Status(), *std::move(joined)};
  }
  // A connection that sends `bytes`; returns what comes back until the other side closes.
  std::string Stranger(const std::string& bytes) {
    auto fd = Connect("127.0.0.1", port_, Clock::now() + 10s);
    EXPECT_TRUE(fd.ok());
    EXPECT_TRUE(SendAll(fd->get(), bytes, Clock::now() + 10s).ok());
    std::string answer;
    for (;;) {
      auto byte = ReceiveExactly(fd->get(), 1, Clock::now() + 10s);
      if (!byte.ok()) return answer;
      answer += *byte;
    }
  }
  base::UniqueFd listener_;
  std::uint16_t port_ = 0;
};

TEST_F(BootstrapTest, GathersBlobsByRank) {
  std::vector<std::jthread> threads;
  threads.reserve(3);
  for (int rank = 0; rank < 3; ++rank) {
    threads.emplace_back([this, rank] {
      Joined joined = Join(rank, 3, "key", 20s);
      ASSERT_TRUE(joined.status.ok()) << joined.status.ToString();
      for (int round = 0; round < 3; ++round) {
        const auto all =
            joined.bootstrap->AllGather(std::to_string(rank) + "/" + std::to_string(round));
        ASSERT_TRUE(all.ok()) << all.status().ToString();
        const std::string end = "/" + std::to_string(round);
        EXPECT_EQ(*all, (std::vector<std::string>{"0" + end, "1" + end, "2" + end}));
      }
    });
  }
}

TEST_F(BootstrapTest, StrangersDoNotDisturb) {
  Joined host;
  std::jthread zero([&] { host = Join(0, 2, "key", 20s); });
  EXPECT_EQ(Stranger("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "") << "garbage is dropped unanswered";
  std::string too_long("ECCL\0\0\x01\0\xff\xff\xff\x7f", 12);
  too_long[4] = static_cast<char>(kWireVersion);
  EXPECT_EQ(Stranger(too_long), "");
  EXPECT_EQ(Stranger(EncodeFrame(FrameType::kHello, "nonsense")), "");
  auto silent = Connect("127.0.0.1", port_, Clock::now() + 10s);  // stays open, says nothing
  const Joined wrong = Join(1, 2, "another key", 20s);
  EXPECT_NE(wrong.status.message().find("job token"), std::string::npos) << wrong.status.ToString();
  const Joined right = Join(1, 2, "key", 20s);
  EXPECT_TRUE(right.status.ok()) << right.status.ToString();
  zero.join();
  EXPECT_TRUE(host.status.ok()) << host.status.ToString();
}

TEST_F(BootstrapTest, RefusesAnotherVersionWithClearText) {
  std::jthread zero([&] { Join(0, 2, "key", 20s); });
  std::string hello = EncodeHello(MakeHello(Hello::kJoin, 1, 2), "key");
  hello[4] = 9;
  const std::string answer = Stranger(hello);
  EXPECT_NE(answer.find("speaks version 9"), std::string::npos) << answer;
  const std::string ours = "rank 0 speaks version " + std::to_string(kWireVersion);
  EXPECT_NE(answer.find(ours), std::string::npos) << answer;
  EXPECT_TRUE(Join(1, 2, "key", 20s).status.ok());
}

TEST_F(BootstrapTest, RefusesAnotherSizeATakenRankAndARankOutOfRange) {
  std::jthread zero([&] { Join(0, 3, "key", 20s); });
  const auto refused = [&](int rank, int size, const char* part) {
    const base::Status status = Join(rank, size, "key", 20s).status;
    EXPECT_EQ(status.code(), base::Code::kFailedPrecondition);
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  };
  refused(1, 2, "started for 2 ranks, this job has 3");
  refused(7, 3, "ranks go from 0 to 2");
  const Joined first = Join(1, 3, "key", 20s);
  ASSERT_TRUE(first.status.ok());
  refused(1, 3, "its rank is taken by rank 1 (host");
  EXPECT_TRUE(Join(2, 3, "key", 20s).status.ok());
}

TEST_F(BootstrapTest, ATimeOutNamesTheMissingAndTheRefused) {
  Joined host;
  std::jthread zero([&] { host = Join(0, 4, "key", 700ms); });
  const Joined one = Join(1, 4, "key", 20s);
  EXPECT_FALSE(Join(2, 4, "wrong", 20s).status.ok());
  zero.join();
  EXPECT_EQ(host.status.code(), base::Code::kDeadlineExceeded);
  EXPECT_NE(host.status.message().find("ranks 2, 3 of 4 did not join"), std::string::npos)
      << host.status.message();
  EXPECT_NE(host.status.message().find("was refused"), std::string::npos) << host.status.message();
}

TEST_F(BootstrapTest, RankZeroMayStartLast) {
  listener_.Reset();  // nobody listens yet
  std::jthread one([&] { EXPECT_TRUE(Join(1, 2, "key", 20s).status.ok()); });
  // A few refused attempts happen first, or none; both have to work.
  auto again = Listen("127.0.0.1", port_);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  listener_ = *std::move(again);
  EXPECT_TRUE(Join(0, 2, "key", 20s).status.ok());
}

TEST_F(BootstrapTest, ARankThatDiesDuringStartUpIsNamedToTheOthers) {
  Joined dead = {};
  std::jthread zero([&] {
    Joined host = Join(0, 3, "key", 20s);
    ASSERT_TRUE(host.status.ok());
    const auto all = host.bootstrap->AllGather("x");
    EXPECT_NE(all.status().message().find("rank 2 (host"), std::string::npos);
  });
  std::jthread one([&] {
    Joined joined = Join(1, 3, "key", 20s);
    ASSERT_TRUE(joined.status.ok());
    const auto all = joined.bootstrap->AllGather("x");
    EXPECT_NE(all.status().message().find("rank 2 (host"), std::string::npos)
        << all.status().ToString();
  });
  dead = Join(2, 3, "key", 20s);
  ASSERT_TRUE(dead.status.ok());
  dead.bootstrap.reset();
}

TEST(UniqueIdOptions, TheHostOfTheConfigIsWhereRankZeroListens) {
  ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
  config.host = "127.0.0.2";
  ecclUniqueId id;
  ASSERT_EQ(ecclGetUniqueIdConfig(&id, &config), ecclSuccess) << ecclGetLastError(nullptr);
  const auto decoded = DecodeUniqueId(id);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->host, "127.0.0.2");
}

TEST(Hmac, MatchesRfc4231Case2) {
  const std::string mac = Hmac("Jefe", "what do ya want for nothing?");
  EXPECT_EQ(static_cast<std::uint8_t>(mac[0]), 0x5b);
  EXPECT_EQ(static_cast<std::uint8_t>(mac[31]), 0x43);
}

TEST_F(BootstrapTest, BetweenGatheringsADeathIsSeenAndTold) {
  Joined host;
  Joined guest;
  {
    std::jthread zero([&] { host = Join(0, 3, "key", 20s); });
    std::jthread one([&] { guest = Join(1, 3, "key", 20s); });
    const Joined dies = Join(2, 3, "key", 20s);
    zero.join();
    one.join();
    ASSERT_TRUE(host.status.ok() && guest.status.ok() && dies.status.ok());
    EXPECT_TRUE(host.bootstrap->Check().ok());
    EXPECT_TRUE(guest.bootstrap->Check().ok());
  }
  // Rank 2's connection has closed; the news takes what a loopback takes.
  base::Status seen;
  while ((seen = host.bootstrap->Check()).ok()) std::this_thread::yield();
  EXPECT_EQ(seen.code(), base::Code::kUnavailable);
  EXPECT_NE(seen.message().find("rank 2 "), std::string::npos) << seen.message();
  EXPECT_NE(seen.message().find("left during start-up"), std::string::npos) << seen.message();
  base::Status told;
  while ((told = guest.bootstrap->Check()).ok()) std::this_thread::yield();
  EXPECT_EQ(told.message(), seen.message());
}

TEST_F(BootstrapTest, ADeadRankZeroIsNoticedByTheOthers) {
  Joined guest;
  {
    std::jthread one([&] { guest = Join(1, 2, "key", 20s); });
    const Joined host = Join(0, 2, "key", 20s);
    one.join();
    ASSERT_TRUE(host.status.ok() && guest.status.ok());
  }
  base::Status seen;
  while ((seen = guest.bootstrap->Check()).ok()) std::this_thread::yield();
  EXPECT_NE(seen.message().find("rank 0 at 127.0.0.1"), std::string::npos) << seen.message();
}

}  // namespace
}  // namespace regatta::eccl

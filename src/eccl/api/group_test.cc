// Groups of calls, with ranks as threads.

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "eccl/testing/ranks.h"
#include "regatta/eccl.h"

namespace regatta::eccl {
namespace {

std::string LastText() { return ecclGetLastError(nullptr); }

class Group : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Transports, Group, testing::Values("shm", "tcp"));

// Larger than any wire holds, so that sends which run one after the other would wait for ever.
constexpr std::size_t kLarge = 3'000'000;

TEST_P(Group, EveryRankSendsToAllOthersBeforeItReceives) {
  constexpr int kSize = 4;
  Ranks ranks(kSize, GetParam());
  ranks.Run([](int rank, ecclComm_t comm) {
    const std::vector<int> mine(kLarge / kSize, rank + 1);
    std::vector<std::vector<int>> theirs(kSize, std::vector<int>(mine.size()));
    Expect(ecclGroupStart());
    for (int by = 1; by < kSize; ++by) {
      Expect(ecclSend(mine.data(), mine.size(), ecclInt32, (rank + by) % kSize, comm));
    }
    // From the same peers in another order.
    for (int peer = kSize - 1; peer >= 0; --peer) {
      if (peer == rank) continue;
      std::vector<int>& into = theirs[static_cast<std::size_t>(peer)];
      Expect(ecclRecv(into.data(), into.size(), ecclInt32, peer, comm));
    }
    Expect(ecclGroupEnd());
    for (int peer = 0; peer < kSize; ++peer) {
      if (peer == rank) continue;
      const std::vector<int> expected(mine.size(), peer + 1);
      EXPECT_EQ(theirs[static_cast<std::size_t>(peer)], expected);
    }
  });
}

TEST_P(Group, MessagesBetweenTwoRanksKeepTheirOrderAndMayBeEmpty) {
  Ranks ranks(2, GetParam());
  ranks.Run([](int rank, ecclComm_t comm) {
    const std::vector<std::size_t> counts = {1, 0, 200'000, 7, 0};
    std::vector<std::vector<int>> messages;
    for (const std::size_t count : counts) {
      messages.emplace_back(count);
      if (rank == 0) std::iota(messages.back().begin(), messages.back().end(), int(count));
    }
    Expect(ecclGroupStart());
    for (auto& message : messages) {
      if (rank == 0) {
        Expect(ecclSend(message.data(), message.size(), ecclInt32, 1, comm));
      } else {
        Expect(ecclRecv(message.data(), message.size(), ecclInt32, 0, comm));
      }
    }
    Expect(ecclGroupEnd());
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] == 0) continue;
      EXPECT_EQ(messages[i].back(), static_cast<int>(2 * counts[i] - 1));
    }
    // Outside of a group the other end may be anything that was inside one.
    int word = rank;
    if (rank == 0) {
      Expect(ecclGroupStart());
      Expect(ecclSend(&word, 1, ecclInt32, 1, comm));
      Expect(ecclGroupEnd());
    } else {
      Expect(ecclRecv(&word, 1, ecclInt32, 0, comm));
      EXPECT_EQ(word, 0);
    }
  });
}

TEST_P(Group, MessagesAndCollectivesMayBeNamedInAnyOrder) {
  Ranks ranks(2, GetParam());
  ranks.Run([](int rank, ecclComm_t comm) {
    std::vector<int> message(kLarge, rank), data(1000, rank + 1), more(1000, 1);
    Expect(ecclGroupStart());
    const auto pass = [&] {
      Expect(rank == 0 ? ecclSend(message.data(), kLarge, ecclInt32, 1, comm)
                       : ecclRecv(message.data(), kLarge, ecclInt32, 0, comm));
    };
    if (rank == 0) pass();
    Expect(ecclAllReduce(data.data(), data.data(), data.size(), ecclInt32, ecclSum, comm));
    Expect(ecclAllReduce(more.data(), more.data(), more.size(), ecclInt32, ecclSum, comm));
    if (rank == 1) pass();
    // Nothing has run yet.
    EXPECT_EQ(more[0], 1);
    Expect(ecclGroupEnd());
    EXPECT_EQ(message.back(), 0);
    EXPECT_EQ(data.back(), 3);
    EXPECT_EQ(more.back(), 2);
  });
}

TEST_P(Group, OneThreadDrivesManyCommunicatorsInAnyOrder) {
  constexpr std::size_t kComms = 16;
  std::vector<std::vector<ecclComm_t>> comms(kComms, std::vector<ecclComm_t>(2));
  ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
  config.transport = GetParam();
  config.timeout_ms = 60'000;
  for (auto& pair : comms) Expect(ecclCommInitAll(pair.data(), 2, &config));
  // All ranks of all communicators by this thread: without a group, the first call would wait.
  std::vector<int> data(2 * kComms, 1);
  Expect(ecclGroupStart());
  for (std::size_t i = 0; i < kComms; ++i) {
    for (const std::size_t rank : {1, 0}) {
      int* value = &data[2 * i + rank];
      Expect(ecclAllReduce(value, value, 1, ecclInt32, ecclSum, comms[i][rank]));
    }
  }
  Expect(ecclGroupEnd());
  EXPECT_EQ(data, std::vector<int>(2 * kComms, 2));
  for (const auto& pair : comms) {
    std::jthread other([&] { Expect(ecclCommDestroy(pair[1])); });
    Expect(ecclCommDestroy(pair[0]));
  }
}

TEST_P(Group, AnErrorSaysWhichCallItIsOf) {
  Ranks ranks(2, GetParam());
  ranks.Run([](int rank, ecclComm_t comm) {
    std::vector<float> data(8);
    Expect(ecclGroupStart());
    for (const std::size_t count : {3, 4}) {
      if (rank == 0) {
        Expect(ecclSend(data.data(), count, ecclFloat32, 1, comm));
      } else {
        Expect(ecclRecv(data.data(), count == 3 ? 3 : 5, ecclFloat32, 0, comm));
      }
    }
    Expect(ecclBarrier(comm));
    const ecclResult_t result = ecclGroupEnd();
    if (rank == 1) {
      EXPECT_EQ(result, ecclMismatch) << LastText();
      EXPECT_NE(LastText().find("call 2 of the group, ecclRecv"), std::string::npos) << LastText();
      EXPECT_NE(LastText().find("x 4"), std::string::npos) << LastText();
      EXPECT_NE(LastText().find("x 5"), std::string::npos) << LastText();
    } else {
      EXPECT_NE(result, ecclSuccess);
      EXPECT_NE(LastText().find("of the group, ecclBarrier"), std::string::npos) << LastText();
    }
  });
}

TEST(GroupMisuse, SaysWhatIsWrong) {
  Ranks ranks(1, "auto");
  ranks.Run([](int, ecclComm_t comm) {
    EXPECT_EQ(ecclGroupEnd(), ecclInvalidUsage);
    EXPECT_NE(LastText().find("without ecclGroupStart"), std::string::npos) << LastText();
    int value = 1;
    Expect(ecclGroupStart());
    Expect(ecclBarrier(comm));
    EXPECT_EQ(ecclBroadcast(&value, &value, 1, ecclInt32, 4, comm), ecclInvalidArgument);
    EXPECT_EQ(ecclBarrier(nullptr), ecclInvalidArgument);
    EXPECT_EQ(ecclGroupEnd(), ecclInvalidArgument);
    EXPECT_NE(LastText().find("nothing of the group was run: call 2 of the group, ecclBroadcast"),
              std::string::npos)
        << LastText();
    ecclOpInfo_t info;
    Expect(ecclCommGetLastOp(comm, &info));
    EXPECT_EQ(info.sequence, 0U);

    Expect(ecclGroupStart());
    ecclRequest_t request = nullptr;
    EXPECT_EQ(ecclBarrierAsync(comm, &request), ecclInvalidUsage);
    Expect(ecclGroupStart());
    Expect(ecclBarrier(comm));
    Expect(ecclGroupEnd());
    Expect(ecclCommGetLastOp(comm, &info));
    EXPECT_EQ(info.sequence, 0U);
    Expect(ecclGroupEnd());
    Expect(ecclCommGetLastOp(comm, &info));
    EXPECT_EQ(info.sequence, 1U);
    Expect(ecclGroupStart());
    Expect(ecclGroupEnd());
  });
}

TEST_P(Group, RunsBehindCallsThatWereSubmitted) {
  Ranks ranks(2, GetParam());
  ranks.Run([](int rank, ecclComm_t comm) {
    int value = rank + 1, sent = 0;
    ecclRequest_t request = nullptr;
    Expect(ecclAllReduceAsync(&value, &value, 1, ecclInt32, ecclSum, comm, &request));
    Expect(ecclGroupStart());
    Expect(ecclSend(&value, 1, ecclInt32, 1 - rank, comm));
    Expect(ecclRecv(&sent, 1, ecclInt32, 1 - rank, comm));
    Expect(ecclGroupEnd());
    EXPECT_EQ(sent, 3);
    Expect(ecclRequestWait(request, 0));
  });
}

TEST_P(Group, AbortFromAnotherThreadEndsIt) {
  for (int round = 0; round < 30; ++round) {
    std::vector<ecclComm_t> comms(2);
    ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
    config.transport = GetParam();
    Expect(ecclCommInitAll(comms.data(), 2, &config));
    std::jthread aborting([&] { Expect(ecclCommAbort(comms[0])); });
    int value = 0;
    Expect(ecclGroupStart());
    const ecclResult_t added = ecclRecv(&value, 1, ecclInt32, 1, comms[0]);
    // The handle may be gone already.
    EXPECT_EQ(ecclGroupEnd(), added == ecclSuccess ? ecclAborted : ecclInvalidArgument);
    aborting.join();
    Expect(ecclCommAbort(comms[1]));
  }
}

}  // namespace
}  // namespace regatta::eccl

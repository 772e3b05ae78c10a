// Communicators made of communicators: split, shrink after a death, grow.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <string>
#include <thread>

#include "eccl/testing/ranks.h"

namespace regatta::eccl {
namespace {

int RankOf(ecclComm_t comm) {
  int rank = -1;
  Expect(ecclCommUserRank(comm, &rank));
  return rank;
}
int SizeOf(ecclComm_t comm) {
  int size = -1;
  Expect(ecclCommCount(comm, &size));
  return size;
}
int SumOf(int value, ecclComm_t comm) {
  Expect(ecclAllReduce(&value, &value, 1, ecclInt32, ecclSum, comm));
  return value;
}

TEST(Split, MakesOneCommunicatorOfEachColorInTheOrderOfTheKeys) {
  for (const char* transport : {"shm", "tcp"}) {
    Ranks ranks(6, transport);
    ranks.Run([](int rank, ecclComm_t comm) {
      ecclComm_t part = nullptr;
      const int color = rank == 5 ? ECCL_SPLIT_NOCOLOR : rank % 2;
      Expect(ecclCommSplit(comm, color, -rank, &part, nullptr));
      if (rank == 5) {
        EXPECT_EQ(part, nullptr);
      } else {
        EXPECT_EQ(SizeOf(part), rank % 2 == 0 ? 3 : 2);
        // 4, 2, 0 and 3, 1.
        EXPECT_EQ(RankOf(part), rank % 2 == 0 ? (4 - rank) / 2 : (3 - rank) / 2);
        EXPECT_EQ(SumOf(rank, part), rank % 2 == 0 ? 6 : 4);
      }
      EXPECT_EQ(SumOf(rank, comm), 15) << "the old one is as it was";
      if (part != nullptr) Expect(ecclCommDestroy(part));
    });
  }
}

TEST(Split, AgainAndAgainAndOfASplitOne) {
  Ranks ranks(4, "shm");
  ranks.Run([](int rank, ecclComm_t comm) {
    for (int round = 0; round < 5; ++round) {
      ecclComm_t half = nullptr, alone = nullptr;
      Expect(ecclCommSplit(comm, rank / 2, 0, &half, nullptr));
      EXPECT_EQ(SumOf(rank, half), rank / 2 == 0 ? 1 : 5);
      Expect(ecclCommSplit(half, rank % 2, 0, &alone, nullptr));
      EXPECT_EQ(SizeOf(alone), 1);
      EXPECT_EQ(SumOf(rank, alone), rank);
      Expect(ecclCommDestroy(alone));
      Expect(ecclCommDestroy(half));
    }
  });
}

TEST(Split, TwentyCommunicatorsWorkAtTheSameTime) {
  Ranks ranks(3, "shm");
  ranks.Run([](int rank, ecclComm_t comm) {
    constexpr int kMany = 20;
    std::vector<ecclComm_t> parts(kMany);
    for (ecclComm_t& part : parts) Expect(ecclCommSplit(comm, 0, 0, &part, nullptr));
    std::vector<std::jthread> threads;
    for (int i = 0; i < kMany; ++i) {
      threads.emplace_back([&parts, i, rank] {
        for (int call = 0; call < 50; ++call) {
          EXPECT_EQ(SumOf(rank + i + call, parts[static_cast<std::size_t>(i)]), 3 + 3 * (i + call));
        }
      });
    }
    threads.clear();
    for (const ecclComm_t part : parts) Expect(ecclCommDestroy(part));
  });
}

TEST(Split, SaysWhichArgumentIsWrong) {
  Ranks ranks(1, "shm");
  ranks.Run([](int, ecclComm_t comm) {
    ecclComm_t part = nullptr;
    EXPECT_EQ(ecclCommSplit(comm, -7, 0, &part, nullptr), ecclInvalidArgument);
    EXPECT_NE(std::string(ecclGetLastError(nullptr)).find("color is -7"), std::string::npos);
    EXPECT_EQ(ecclCommSplit(comm, 0, 0, nullptr, nullptr), ecclInvalidArgument);
    const int all[] = {0};
    EXPECT_EQ(ecclCommShrink(comm, all, 1, &part, nullptr), ecclInvalidArgument);
    EXPECT_NE(std::string(ecclGetLastError(nullptr)).find("this rank itself"), std::string::npos);
    const int wrong[] = {3};
    EXPECT_EQ(ecclCommShrink(comm, wrong, 1, &part, nullptr), ecclInvalidArgument);
    EXPECT_EQ(ecclCommGrow(comm, 1, nullptr, -1, &part, nullptr), ecclInvalidArgument);
  });
}

// One rank as a process; ends with the number of the check that failed.
class Forked {
 public:
  template <typename Body>
  explicit Forked(Body body) : pid_(fork()) {
    if (pid_ == 0) _exit(body());
  }
  void Kill() const { kill(pid_, SIGKILL); }
  int Wait() const {
    int status = 0;
    waitpid(pid_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

// Calls until one fails, then goes on with whoever is left. Says on `ready` when it has begun.
int Survive(int rank, int size, int dead, const ecclUniqueId& id, int ready) {
  ecclComm_t comm = nullptr;
  if (ecclCommInitRank(&comm, size, id, rank) != ecclSuccess) return 1;
  std::int32_t one = 1;
  ecclResult_t result = ecclSuccess;
  while (result == ecclSuccess) {
    one = 1;
    result = ecclAllReduce(&one, &one, 1, ecclInt32, ecclSum, comm);
    if (ready >= 0 && write(ready, "", 1) != 1) return 10;
    ready = -1;
  }
  if (result != ecclRemoteError) return 2;
  int lost[8], count = 0;
  if (ecclCommGetLostRanks(comm, lost, 8, &count) != ecclSuccess) return 3;
  if (count != 1 || lost[0] != dead) return 4;
  ecclComm_t rest = nullptr;
  if (ecclCommShrink(comm, lost, count, &rest, nullptr) != ecclSuccess) return 5;
  if (ecclCommAbort(comm) != ecclSuccess) return 6;
  std::int32_t sum = rank;
  if (ecclAllReduce(&sum, &sum, 1, ecclInt32, ecclSum, rest) != ecclSuccess) return 7;
  if (sum != size * (size - 1) / 2 - dead) return 8;
  return ecclCommDestroy(rest) == ecclSuccess ? 0 : 9;
}

TEST(Shrink, SurvivorsOfAKilledRankGoOnWhicheverItWas) {
  constexpr int kSize = 4;
  for (const int dead : {0, 2}) {
    ecclUniqueId id;
    Expect(ecclGetUniqueId(&id));
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    std::vector<Forked> ranks;
    for (int rank = 0; rank < kSize; ++rank) {
      ranks.emplace_back([&] { return Survive(rank, kSize, dead, id, ready[1]); });
    }
    char byte = 0;
    for (int rank = 0; rank < kSize; ++rank) ASSERT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    ranks[static_cast<std::size_t>(dead)].Kill();
    for (int rank = 0; rank < kSize; ++rank) {
      EXPECT_EQ(ranks[static_cast<std::size_t>(rank)].Wait(), rank == dead ? 109 : 0) << rank;
    }
  }
}

TEST(Shrink, NamesWhoDoesNotCome) {
  Ranks ranks(3, "shm");
  ranks.Run([](int rank, ecclComm_t comm) {
    const int excluded[] = {2};
    ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
    config.init_timeout_ms = 300;
    ecclComm_t rest = nullptr;
    if (rank != 0) return;
    EXPECT_EQ(ecclCommShrink(comm, excluded, 1, &rest, &config), ecclTimeout);
    const std::string text = ecclGetLastError(nullptr);
    EXPECT_NE(text.find("rank 1 of 2 did not join"), std::string::npos) << text;
  });
}

TEST(Grow, NewRanksJoinTheOldOnes) {
  Ranks old(2, "shm");
  ecclUniqueId id;
  std::atomic<bool> made{false};
  std::vector<std::jthread> fresh;
  const auto check = [](int rank, ecclComm_t comm) {
    EXPECT_EQ(RankOf(comm), rank);
    EXPECT_EQ(SumOf(rank, comm), 6);
    Expect(ecclCommDestroy(comm));
  };
  for (int rank = 2; rank < 4; ++rank) {
    fresh.emplace_back([&, rank] {
      made.wait(false);
      ecclComm_t comm = nullptr;
      Expect(ecclCommGrow(nullptr, 4, &id, rank, &comm, nullptr));
      check(rank, comm);
    });
  }
  old.Run([&](int rank, ecclComm_t comm) {
    if (rank == 0) {
      Expect(ecclCommGetUniqueId(comm, &id));
      made = true;
      made.notify_all();
    } else {
      ecclUniqueId mine;
      EXPECT_EQ(ecclCommGetUniqueId(comm, &mine), ecclInvalidUsage);
    }
    ecclComm_t grown = nullptr;
    Expect(ecclCommGrow(comm, 4, rank == 0 ? &id : nullptr, -1, &grown, nullptr));
    check(rank, grown);
    EXPECT_EQ(SumOf(1, comm), 2) << "the old one is as it was";
  });
}

}  // namespace
}  // namespace regatta::eccl

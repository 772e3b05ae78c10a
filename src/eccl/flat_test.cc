// Small calls through slots: when they are used, and that they hold among calls of other kinds.

#include "eccl/flat.h"

#include <random>
#include <string>

#include "eccl/testing/ranks.h"

namespace regatta::eccl {
namespace {

std::string AlgorithmOf(ecclComm_t comm) {
  ecclOpInfo_t info;
  Expect(ecclCommGetLastOp(comm, &info));
  return info.algorithm;
}

void AllReduceOnes(std::size_t count, int ranks, ecclComm_t comm) {
  std::vector<float> data(count, 1.0F);
  Expect(ecclAllReduce(data.data(), data.data(), count, ecclFloat32, ecclSum, comm));
  for (const float value : data) ASSERT_EQ(value, static_cast<float>(ranks));
}

TEST(Flat, TakesWhatFitsIntoASlotForAllItsReaders) {
  for (const int size : {2, 5}) {
    Ranks ranks(size, "shm");
    ranks.Run([size](int, ecclComm_t comm) {
      const std::size_t most = (16u << 10) / static_cast<std::size_t>(size - 1) / sizeof(float);
      AllReduceOnes(most, size, comm);
      EXPECT_EQ(AlgorithmOf(comm), "flat");
      AllReduceOnes(most + 1, size, comm);
      EXPECT_NE(AlgorithmOf(comm), "flat");
      AllReduceOnes(0, size, comm);
      EXPECT_EQ(AlgorithmOf(comm), "flat");
    });
  }
}

TEST(Flat, LeavesManyRanksSocketsAndChosenAlgorithmsAlone) {
  Ranks many(33, "shm");
  Ranks sockets(2, "tcp");
  Ranks chosen(2, "shm", "ring");
  for (Ranks* ranks : {&many, &sockets, &chosen}) {
    ranks->Run([ranks](int, ecclComm_t comm) {
      AllReduceOnes(1, ranks->size(), comm);
      EXPECT_NE(AlgorithmOf(comm), "flat");
      Expect(ecclBarrier(comm));
      EXPECT_NE(AlgorithmOf(comm), "flat");
    });
  }
}

// Slots take turns by a number that only these calls have, whatever happens between them, and fast
// ranks run ahead of slow ones as far as the calls let them.
TEST(Flat, CallsOfAllKindsInARandomOrderGiveEachItsOwnValues) {
  for (const int size : {2, 3, 7}) {
    Ranks ranks(size, "shm");
    ranks.Run([size](int rank, ecclComm_t comm) {
      std::mt19937 order(7);  // the same on all ranks
      for (int call = 0; call < 400; ++call) {
        const auto n = static_cast<std::size_t>(size);
        const std::size_t count = order() % 8 == 0 ? 6000 : order() % 300;
        const auto root = static_cast<int>(order() % n);
        const int sum = call * size + size * (size - 1) / 2;
        std::vector<std::int32_t> all(n * count), own(count, call + rank);
        switch (order() % 6) {
          case 0:
            Expect(ecclAllReduce(own.data(), own.data(), count, ecclInt32, ecclSum, comm));
            ASSERT_EQ(own, std::vector<std::int32_t>(count, sum));
            break;
          case 1:
            Expect(ecclAllGather(own.data(), all.data(), count, ecclInt32, comm));
            for (std::size_t i = 0; i < all.size(); ++i) {
              ASSERT_EQ(all[i], call + static_cast<int>(i / count));
            }
            break;
          case 2:
            for (std::size_t i = 0; i < all.size(); ++i) {
              all[i] = call + rank + static_cast<int>(i / count);
            }
            Expect(ecclReduceScatter(all.data(), own.data(), count, ecclInt32, ecclSum, comm));
            ASSERT_EQ(own, std::vector<std::int32_t>(count, sum + size * rank));
            break;
          case 3:
            Expect(ecclBroadcast(own.data(), own.data(), count, ecclInt32, root, comm));
            ASSERT_EQ(own, std::vector<std::int32_t>(count, call + root));
            break;
          case 4:
            Expect(ecclReduce(own.data(), own.data(), count, ecclInt32, ecclSum, root, comm));
            if (rank == root) {
              ASSERT_EQ(own, std::vector<std::int32_t>(count, sum));
            }
            break;
          default:
            Expect(ecclBarrier(comm));
        }
      }
    });
  }
}

TEST(Flat, AFloatSumHasTheSameBitsOnAllRanks) {
  constexpr int kSize = 4;
  constexpr std::size_t kCount = 1000;
  Ranks ranks(kSize, "shm");
  std::vector<std::vector<float>> sums(kSize, std::vector<float>(kCount));
  ranks.Run([&](int rank, ecclComm_t comm) {
    std::mt19937 random(static_cast<unsigned>(rank));
    std::uniform_real_distribution<float> values(-1e6F, 1e6F);
    std::vector<float>& data = sums[static_cast<std::size_t>(rank)];
    for (float& value : data) value = values(random);
    Expect(ecclAllReduce(data.data(), data.data(), kCount, ecclFloat32, ecclAvg, comm));
  });
  for (const auto& sum : sums) EXPECT_EQ(sum, sums[0]);
}

TEST(Flat, DifferentSmallCallsAreShownFromBothSides) {
  Ranks ranks(3, "shm");
  ranks.Run([](int rank, ecclComm_t comm) {
    std::vector<std::int32_t> data(8);
    const ecclResult_t result =
        rank == 1 ? ecclReduceScatter(data.data(), data.data(), 2, ecclInt32, ecclSum, comm)
                  : ecclAllReduce(data.data(), data.data(), data.size(), ecclInt32, ecclSum, comm);
    EXPECT_EQ(result, ecclMismatch);
    const std::string text = ecclGetLastError(comm);
    EXPECT_NE(text.find("reducescatter #1 (int32 x 2, sum)"), std::string::npos) << text;
    EXPECT_NE(text.find("allreduce #1 (int32 x 8, sum)"), std::string::npos) << text;
  });
}

}  // namespace
}  // namespace regatta::eccl

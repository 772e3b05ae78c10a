// Calls that are submitted and waited for later, with ranks as threads.

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <string>
#include <thread>
#include <vector>

#include "eccl/testing/ranks.h"
#include "regatta/eccl.h"

namespace regatta::eccl {
namespace {

constexpr std::int64_t kForEver = -1;

std::string LastText() { return ecclGetLastError(nullptr); }

ecclRequest_t SubmitSum(std::vector<float>* data, ecclComm_t comm) {
  ecclRequest_t request = nullptr;
  Expect(ecclAllReduceAsync(data->data(), data->data(), data->size(), ecclFloat32, ecclSum, comm,
                            &request));
  return request;
}

std::vector<ecclComm_t> MakeRanks(int size, const char* transport) {
  std::vector<ecclComm_t> comms(static_cast<std::size_t>(size));
  ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
  config.transport = transport;
  config.timeout_ms = 60'000;
  Expect(ecclCommInitAll(comms.data(), size, &config));
  return comms;
}

class Async : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Transports, Async, testing::Values("shm", "tcp"));

TEST_P(Async, CallsRunInTheOrderOfSubmissionAndBlockingOnesBehindThem) {
  Ranks ranks(3, GetParam());
  ranks.Run([](int rank, ecclComm_t comm) {
    // Each call reads what the one before it has written.
    std::vector<float> data(10'000, static_cast<float>(rank));  // sum 3
    std::vector<ecclRequest_t> requests;
    for (int i = 0; i < 5; ++i) requests.push_back(SubmitSum(&data, comm));  // 3 * 3^4
    ecclRequest_t barrier = nullptr;
    Expect(ecclBarrierAsync(comm, &barrier));
    float sum = 0;
    // Of one element, so that the order is seen: 729 only behind all of the above.
    Expect(ecclAllReduce(data.data(), &sum, 1, ecclFloat32, ecclSum, comm));
    EXPECT_EQ(sum, 729);
    for (const ecclRequest_t request : requests) Expect(ecclRequestWait(request, 0));
    Expect(ecclRequestWait(barrier, 0));
    for (const float value : data) ASSERT_EQ(value, 243);
    ecclOpInfo_t info;
    Expect(ecclCommGetLastOp(comm, &info));
    EXPECT_EQ(info.sequence, 7U);
  });
}

TEST_P(Async, EveryFunctionHasOne) {
  Ranks ranks(2, GetParam());
  ranks.Run([](int rank, ecclComm_t comm) {
    std::vector<ecclRequest_t> requests(15);
    ecclRequest_t* next = requests.data();
    const int other = 1 - rank;
    const int mine[2] = {rank + 1, rank + 11};
    const ecclDataType_t type = ecclInt32;
    int sum[2], gathered[4], varied[3], part, word = rank == 1 ? 7 : 0, total[2], all[4], one,
                                              swapped[2], swapped_v[2], got, exchanged;
    Expect(ecclAllReduceAsync(mine, sum, 2, type, ecclSum, comm, next++));
    Expect(ecclAllGatherAsync(mine, gathered, 2, type, comm, next++));
    {
      // Gone when the call runs.
      std::vector<std::size_t> counts = {1, 2};
      Expect(ecclAllGatherVAsync(mine, varied, counts.data(), type, comm, next++));
      std::vector<std::size_t> ones = {1, 1};
      Expect(ecclAllToAllVAsync(mine, ones.data(), swapped_v, ones.data(), type, comm, next++));
      counts = ones = {99, 99};
    }
    Expect(ecclReduceScatterAsync(mine, &part, 1, type, ecclMax, comm, next++));
    Expect(ecclBroadcastAsync(&word, &word, 1, type, 1, comm, next++));
    Expect(ecclReduceAsync(mine, total, 2, type, ecclProd, 0, comm, next++));
    Expect(ecclGatherAsync(mine, all, 2, type, 0, comm, next++));
    Expect(ecclScatterAsync(mine, &one, 1, type, 1, comm, next++));
    Expect(ecclAllToAllAsync(mine, swapped, 1, type, comm, next++));
    Expect(ecclBarrierAsync(comm, next++));
    if (rank == 0) {
      Expect(ecclSendAsync(mine, 1, type, other, comm, next++));
      Expect(ecclRecvAsync(&got, 1, type, other, comm, next++));
    } else {
      Expect(ecclRecvAsync(&got, 1, type, other, comm, next++));
      Expect(ecclSendAsync(mine, 1, type, other, comm, next++));
    }
    Expect(ecclSendRecvAsync(mine, 1, other, &exchanged, 1, other, type, comm, next++));
    std::vector<float> floats(100, 1);
    ecclCompressor_t compressor = nullptr;
    const ecclCompressorConfig_t config = ECCL_COMPRESSOR_CONFIG_INITIALIZER;
    Expect(ecclCompressorCreate(&compressor, &config));
    Expect(ecclAllReduceCompressedAsync(floats.data(), floats.data(), floats.size(), ecclFloat32,
                                        ecclSum, compressor, comm, next++));
    Expect(ecclCompressorDestroy(compressor));
    ASSERT_EQ(next, requests.data() + requests.size());
    for (const ecclRequest_t request : requests) Expect(ecclRequestWait(request, kForEver));
    EXPECT_EQ(sum[0], 3);
    EXPECT_EQ(sum[1], 23);
    EXPECT_EQ(std::vector<int>(gathered, gathered + 4), (std::vector<int>{1, 11, 2, 12}));
    EXPECT_EQ(std::vector<int>(varied, varied + 3), (std::vector<int>{1, 2, 12}));
    EXPECT_EQ(part, rank == 0 ? 2 : 12);
    EXPECT_EQ(word, 7);
    if (rank == 0) {
      EXPECT_EQ(total[1], 132);
      EXPECT_EQ(std::vector<int>(all, all + 4), (std::vector<int>{1, 11, 2, 12}));
    }
    EXPECT_EQ(one, rank == 0 ? 2 : 12);
    EXPECT_EQ(std::vector<int>(swapped, swapped + 2),
              rank == 0 ? (std::vector<int>{1, 2}) : (std::vector<int>{11, 12}));
    EXPECT_EQ(std::vector<int>(swapped_v, swapped_v + 2), std::vector<int>(swapped, swapped + 2));
    EXPECT_EQ(got, other + 1);
    EXPECT_EQ(exchanged, other + 1);
    EXPECT_EQ(floats[99], 2);
  });
}

TEST_P(Async, ARequestIsInProgressUntilThePeersCome) {
  Ranks ranks(2, GetParam());
  std::barrier seen(2);
  ranks.Run([&](int rank, ecclComm_t comm) {
    std::vector<float> data(100'000, 1);
    if (rank == 1) seen.arrive_and_wait();
    const ecclRequest_t request = SubmitSum(&data, comm);
    if (rank == 0) {
      ecclResult_t result = ecclSuccess;
      Expect(ecclRequestTest(request, &result));
      EXPECT_EQ(result, ecclInProgress);
      EXPECT_EQ(ecclRequestWait(request, 5), ecclInProgress);
      seen.arrive_and_wait();
    }
    Expect(ecclRequestWait(request, kForEver));
    EXPECT_EQ(data.back(), 2);
  });
}

TEST(AsyncMisuse, SaysWhatIsWrong) {
  Ranks ranks(1, "auto");
  ranks.Run([](int, ecclComm_t comm) {
    std::vector<float> data(4, 1);
    const ecclRequest_t request = SubmitSum(&data, comm);
    EXPECT_EQ(ecclRequestWait(request, -2), ecclInvalidArgument);
    EXPECT_NE(LastText().find("timeout_ms is -2"), std::string::npos) << LastText();
    EXPECT_EQ(ecclRequestTest(request, nullptr), ecclInvalidArgument);
    Expect(ecclRequestWait(request, kForEver));
    ecclResult_t result = ecclSuccess;
    for (const ecclRequest_t gone : {request, static_cast<ecclRequest_t>(nullptr)}) {
      EXPECT_EQ(ecclRequestWait(gone, kForEver), ecclInvalidArgument);
      EXPECT_NE(LastText().find("no request"), std::string::npos) << LastText();
      EXPECT_EQ(ecclRequestTest(gone, &result), ecclInvalidArgument);
      EXPECT_EQ(ecclRequestFree(gone), ecclInvalidArgument);
    }
    const ecclRequest_t freed = SubmitSum(&data, comm);
    Expect(ecclRequestFree(freed));
    EXPECT_EQ(ecclRequestWait(freed, kForEver), ecclInvalidArgument);
    EXPECT_EQ(ecclBarrierAsync(comm, nullptr), ecclInvalidArgument);
    // Refused when it is submitted, and then there is no request.
    ecclRequest_t none = request;
    EXPECT_EQ(ecclBroadcastAsync(data.data(), data.data(), 4, ecclFloat32, 3, comm, &none),
              ecclInvalidArgument);
    EXPECT_EQ(none, nullptr);
    none = request;
    EXPECT_EQ(ecclBarrierAsync(nullptr, &none), ecclInvalidArgument);
    EXPECT_EQ(none, nullptr);
  });
}

TEST_P(Async, AMismatchIsTheRequestsErrorAndThoseBehindItFailToo) {
  Ranks ranks(2, GetParam());
  ranks.Run([](int rank, ecclComm_t comm) {
    std::vector<float> data(rank == 0 ? 100'000 : 200'000);
    ecclSetCallSite(rank == 0 ? "zero.cc:1" : "one.cc:2");
    const ecclRequest_t first = SubmitSum(&data, comm);
    ecclSetCallSite("later.cc:3");
    const ecclRequest_t second = SubmitSum(&data, comm);
    const ecclResult_t result = ecclRequestWait(first, kForEver);
    EXPECT_TRUE(result == ecclMismatch || result == ecclRemoteError) << result;
    EXPECT_NE(LastText().find("allreduce #1"), std::string::npos) << LastText();
    EXPECT_EQ(LastText().find("later.cc"), std::string::npos) << LastText();
    ecclResult_t state = ecclSuccess;
    EXPECT_NE(ecclRequestWait(second, kForEver), ecclSuccess);
    Expect(ecclCommGetAsyncError(comm, &state));
    EXPECT_NE(state, ecclSuccess);
  });
}

TEST_P(Async, DestroyWaitsForWhatWasSubmitted) {
  const std::vector<ecclComm_t> comms = MakeRanks(2, GetParam());
  std::vector<std::vector<float>> data(2, std::vector<float>(100'000, 1));
  std::vector<ecclRequest_t> requests(2);
  {
    std::vector<std::jthread> threads;
    for (std::size_t rank = 0; rank < 2; ++rank) {
      threads.emplace_back([&, rank] {
        for (int i = 0; i < 3; ++i) requests[rank] = SubmitSum(&data[rank], comms[rank]);
        Expect(ecclCommDestroy(comms[rank]));
        EXPECT_EQ(data[rank].back(), 8);
      });
    }
  }
  for (const ecclRequest_t request : requests) Expect(ecclRequestWait(request, 0));
}

TEST_P(Async, AbortFromAnotherThreadEndsAllRequests) {
  for (int round = 0; round < 50; ++round) {
    const std::vector<ecclComm_t> comms = MakeRanks(2, GetParam());
    std::vector<float> data(100'000, 1);
    std::vector<ecclRequest_t> requests;
    // Rank 1 never comes.
    for (int i = 0; i < 4; ++i) requests.push_back(SubmitSum(&data, comms[0]));
    std::jthread aborting([&] { Expect(ecclCommAbort(comms[0])); });
    for (const ecclRequest_t request : requests) {
      EXPECT_EQ(ecclRequestWait(request, kForEver), ecclAborted);
      EXPECT_NE(LastText().find("ecclCommAbort"), std::string::npos) << LastText();
    }
    aborting.join();
    Expect(ecclCommAbort(comms[1]));
  }
}

TEST(AsyncThreads, ManyThreadsMaySubmitToOneCommunicatorOfOneRank) {
  Ranks ranks(1, "auto");
  ranks.Run([](int, ecclComm_t comm) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([comm] {
        std::vector<float> data(64, 1);
        for (int call = 0; call < 200; ++call) {
          if (call % 3 == 0) {
            Expect(ecclBarrier(comm));
          } else {
            Expect(ecclRequestWait(SubmitSum(&data, comm), kForEver));
          }
        }
      });
    }
  });
}

TEST_P(Async, SixtyFourCommunicatorsAtOnceFromOneThreadARank) {
  constexpr std::size_t kComms = 64;
  std::vector<std::vector<ecclComm_t>> comms;
  for (std::size_t i = 0; i < kComms; ++i) comms.push_back(MakeRanks(2, GetParam()));
  {
    std::vector<std::jthread> threads;
    for (std::size_t rank = 0; rank < 2; ++rank) {
      threads.emplace_back([&, rank] {
        std::vector<std::vector<float>> data(kComms, std::vector<float>(5000));
        std::vector<ecclRequest_t> requests(kComms);
        // The ranks begin at opposite ends: blocking calls would wait for each other for ever.
        for (std::size_t i = 0; i < kComms; ++i) {
          const std::size_t at = rank == 0 ? i : kComms - 1 - i;
          data[at].assign(5000, static_cast<float>(at));
          requests[at] = SubmitSum(&data[at], comms[at][rank]);
        }
        for (std::size_t i = 0; i < kComms; ++i) {
          Expect(ecclRequestWait(requests[i], kForEver));
          EXPECT_EQ(data[i].back(), static_cast<float>(2 * i));
        }
      });
    }
  }
  for (const auto& pair : comms) {
    std::jthread other([&] { Expect(ecclCommDestroy(pair[1])); });
    Expect(ecclCommDestroy(pair[0]));
  }
}

}  // namespace
}  // namespace regatta::eccl

// Every collective, type, operation and number of ranks against a plain reference, with ranks as
// threads of this process (so that the thread sanitizer sees both ends of everything).

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <ostream>
#include <random>
#include <thread>

#include "eccl/half.h"
#include "eccl/testing/ranks.h"
#include "eccl/types.h"
#include "regatta/eccl.h"

namespace regatta::eccl {
namespace {

constexpr ecclDataType_t kTypes[] = {ecclInt8,    ecclUint8,   ecclInt32,   ecclUint32,
                                     ecclInt64,   ecclUint64,  ecclFloat16, ecclFloat32,
                                     ecclFloat64, ecclBfloat16};
constexpr ecclRedOp_t kOps[] = {ecclSum, ecclProd, ecclMax, ecclMin,
                                ecclAvg, ecclBand, ecclBor, ecclBxor};
bool Applies(ecclRedOp_t op, ecclDataType_t type) { return op < ecclBand || type <= ecclUint64; }

// Bytes at an odd address: buffers need no alignment.
class Buffer {
 public:
  explicit Buffer(std::size_t bytes) : bytes_(bytes + 1) {}
  std::byte* data() { return bytes_.data() + 1; }
  const std::byte* data() const { return bytes_.data() + 1; }
  std::size_t size() const { return bytes_.size() - 1; }
  bool operator==(const Buffer& other) const {
    return size() == other.size() && std::memcmp(data(), other.data(), size()) == 0;
  }

 private:
  std::vector<std::byte> bytes_;
};

double Load(const Buffer& buffer, std::size_t i, ecclDataType_t type) {
  const auto get = [&]<typename T>(T value) {
    std::memcpy(&value, buffer.data() + i * sizeof(T), sizeof(T));
    return value;
  };
  switch (type) {
    case ecclInt8:
      return get(std::int8_t{});
    case ecclUint8:
      return get(std::uint8_t{});
    case ecclInt32:
      return get(std::int32_t{});
    case ecclUint32:
      return get(std::uint32_t{});
    case ecclInt64:
      return static_cast<double>(get(std::int64_t{}));
    case ecclUint64:
      return static_cast<double>(get(std::uint64_t{}));
    case ecclFloat16:
      return Float16ToFloat(get(std::uint16_t{}));
    case ecclBfloat16:
      return Bfloat16ToFloat(get(std::uint16_t{}));
    case ecclFloat32:
      return get(float{});
    case ecclFloat64:
      return get(double{});
  }
  return 0;
}

void Store(Buffer* buffer, std::size_t i, ecclDataType_t type, double value) {
  const auto put = [&]<typename T>(T typed) {
    std::memcpy(buffer->data() + i * sizeof(T), &typed, sizeof(T));
  };
  switch (type) {
    case ecclInt8:
      return put(static_cast<std::int8_t>(value));
    case ecclUint8:
      return put(static_cast<std::uint8_t>(value));
    case ecclInt32:
      return put(static_cast<std::int32_t>(value));
    case ecclUint32:
      return put(static_cast<std::uint32_t>(value));
    case ecclInt64:
      return put(static_cast<std::int64_t>(value));
    case ecclUint64:
      return put(static_cast<std::uint64_t>(value));
    case ecclFloat16:
      return put(FloatToFloat16(static_cast<float>(value)));
    case ecclBfloat16:
      return put(FloatToBfloat16(static_cast<float>(value)));
    case ecclFloat32:
      return put(static_cast<float>(value));
    case ecclFloat64:
      return put(value);
  }
}

// Small whole numbers, which every type holds exactly, also their sums; for products only 1 and 2,
// so that eight factors stay below 2^8 (int8 wraps, and is compared modulo 256).
double Input(int rank, std::size_t i, ecclRedOp_t op) {
  const auto mixed = static_cast<unsigned>(rank * 7 + static_cast<int>(i % 1009) * 3);
  return op == ecclProd ? 1 + (mixed % 5 == 0 ? 1 : 0) : mixed % 7;
}

double Expected(int size, std::size_t i, ecclRedOp_t op, ecclDataType_t type) {
  double value = Input(0, i, op);
  for (int rank = 1; rank < size; ++rank) {
    const double next = Input(rank, i, op);
    switch (op) {
      case ecclSum:
      case ecclAvg:
        value += next;
        break;
      case ecclProd:
        value *= next;
        break;
      case ecclMax:
        value = std::max(value, next);
        break;
      case ecclMin:
        value = std::min(value, next);
        break;
      case ecclBand:
        value = static_cast<double>(static_cast<int>(value) & static_cast<int>(next));
        break;
      case ecclBor:
        value = static_cast<double>(static_cast<int>(value) | static_cast<int>(next));
        break;
      case ecclBxor:
        value = static_cast<double>(static_cast<int>(value) ^ static_cast<int>(next));
        break;
    }
  }
  if (op == ecclAvg) value /= size;
  // The reference is rounded as the type rounds; integers toward zero.
  Buffer one(8);
  const bool whole = type <= ecclUint64;
  Store(&one, 0, type, whole ? std::trunc(value) : value);
  return Load(one, 0, type);
}

Buffer MakeInput(int rank, std::size_t count, ecclDataType_t type, ecclRedOp_t op,
                 std::size_t from = 0) {
  Buffer buffer(count * SizeOf(type));
  for (std::size_t i = 0; i < count; ++i) Store(&buffer, i, type, Input(rank, from + i, op));
  return buffer;
}

void ExpectReduced(const Buffer& result, std::size_t count, int size, ecclDataType_t type,
                   ecclRedOp_t op, std::size_t from = 0) {
  for (std::size_t i = 0; i < count; ++i) {
    const double want = Expected(size, from + i, op, type);
    const double got = Load(result, i, type);
    if (got != want) {
      ADD_FAILURE() << NameOf(type) << " " << NameOf(op) << " size " << size << " count " << count
                    << " element " << i << ": " << got << ", expected " << want;
      return;
    }
  }
}

struct Shape {
  int size;
  const char* transport;
};
void PrintTo(const Shape& shape, std::ostream* out) {
  *out << shape.size << " ranks over " << shape.transport;
}

class Collectives : public testing::TestWithParam<Shape> {
 protected:
  int size() const { return GetParam().size; }
  const char* transport() const { return GetParam().transport; }
};

TEST_P(Collectives, AllReduceOfEveryTypeAndOperationInAndOutOfPlace) {
  for (const char* algorithm :
       {"ring", "tree", "double tree", "direct", "doubling", "halving", "hierarchical"}) {
    Ranks ranks(size(), transport(), algorithm);
    ranks.Run([&](int rank, ecclComm_t comm) {
      for (const ecclDataType_t type : kTypes) {
        for (const ecclRedOp_t op : kOps) {
          if (!Applies(op, type)) continue;
          for (const std::size_t count : {0, 1, 7, 1003}) {
            Buffer in = MakeInput(rank, count, type, op);
            Buffer out(in.size());
            Expect(ecclAllReduce(in.data(), out.data(), count, type, op, comm));
            ExpectReduced(out, count, size(), type, op);
            Expect(ecclAllReduce(in.data(), in.data(), count, type, op, comm));
            EXPECT_TRUE(in == out);
          }
        }
      }
      ecclOpInfo_t info;
      Expect(ecclCommGetLastOp(comm, &info));
      EXPECT_STREQ(info.algorithm, algorithm);
      EXPECT_STREQ(info.transport, size() == 1 ? "none" : transport());
    });
  }
}

TEST_P(Collectives, AllReduceOfManyBlocksGivesTheSameBitsOnAllRanks) {
  // Not a multiple of anything, larger than n blocks and a ring; values that do not add exactly.
  const std::size_t count = 301'007;
  for (const char* algorithm : {"ring", "tree"}) {
    std::vector<std::vector<float>> results(static_cast<std::size_t>(size()));
    Ranks ranks(size(), transport(), algorithm);
    ranks.Run([&](int rank, ecclComm_t comm) {
      std::mt19937 random(static_cast<unsigned>(rank));
      std::uniform_real_distribution<float> draw(-1, 1);
      std::vector<float> in(count);
      for (float& value : in) value = draw(random);
      auto& out = results[static_cast<std::size_t>(rank)];
      out.resize(count);
      Expect(ecclAllReduce(in.data(), out.data(), count, ecclFloat32, ecclSum, comm));
    });
    for (const auto& result : results) {
      // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): it is the bits that are compared
      EXPECT_EQ(std::memcmp(result.data(), results[0].data(), count * 4), 0);
    }
    std::vector<double> sum(count);
    for (int rank = 0; rank < size(); ++rank) {
      std::mt19937 random(static_cast<unsigned>(rank));
      std::uniform_real_distribution<float> draw(-1, 1);
      for (double& value : sum) value += draw(random);
    }
    for (std::size_t i = 0; i < count; ++i) ASSERT_NEAR(results[0][i], sum[i], 1e-5) << i;
  }
}

TEST_P(Collectives, ReduceScatterOfEveryTypeAndOperation) {
  Ranks ranks(size(), transport());
  ranks.Run([&](int rank, ecclComm_t comm) {
    for (const ecclDataType_t type : kTypes) {
      for (const ecclRedOp_t op : kOps) {
        if (!Applies(op, type)) continue;
        for (const std::size_t count : {0, 1, 513}) {
          const std::size_t from = static_cast<std::size_t>(rank) * count;
          Buffer in = MakeInput(rank, count * static_cast<std::size_t>(size()), type, op);
          Buffer out(count * SizeOf(type));
          Expect(ecclReduceScatter(in.data(), out.data(), count, type, op, comm));
          ExpectReduced(out, count, size(), type, op, from);
          std::byte* place = in.data() + from * SizeOf(type);
          Expect(ecclReduceScatter(in.data(), place, count, type, op, comm));
          EXPECT_EQ(std::memcmp(place, out.data(), out.size()), 0);
        }
      }
    }
    const std::size_t large = 70'001;
    Buffer in = MakeInput(rank, large * static_cast<std::size_t>(size()), ecclInt64, ecclSum);
    Buffer out(large * 8);
    Expect(ecclReduceScatter(in.data(), out.data(), large, ecclInt64, ecclSum, comm));
    ExpectReduced(out, large, size(), ecclInt64, ecclSum, static_cast<std::size_t>(rank) * large);
  });
}

TEST_P(Collectives, ReduceToEveryRootOfSmallAndLargeCounts) {
  Ranks ranks(size(), transport());
  ranks.Run([&](int rank, ecclComm_t comm) {
    for (int root = 0; root < size(); ++root) {
      for (const ecclRedOp_t op : kOps) {
        for (const std::size_t count : {0, 1, 1003, 90'001}) {
          Buffer in = MakeInput(rank, count, ecclInt32, op);
          const Buffer before = in;
          Buffer out(in.size());
          const bool receives = rank == root;
          Expect(ecclReduce(in.data(), receives ? out.data() : nullptr, count, ecclInt32, op, root,
                            comm));
          EXPECT_TRUE(in == before);
          if (receives) ExpectReduced(out, count, size(), ecclInt32, op);
          Expect(ecclReduce(in.data(), receives ? in.data() : nullptr, count, ecclInt32, op, root,
                            comm));
          EXPECT_TRUE(in == (receives ? out : before));
        }
      }
    }
  });
}

TEST_P(Collectives, GatherAndScatterAreEachOthersReverse) {
  Ranks ranks(size(), transport());
  const auto n = static_cast<std::size_t>(size());
  ranks.Run([&](int rank, ecclComm_t comm) {
    const auto own = static_cast<std::size_t>(rank);
    for (int root = 0; root < size(); ++root) {
      for (const std::size_t count : {0, 1, 1003, 90'001}) {
        const Buffer in = MakeInput(rank, count, ecclFloat32, ecclSum, own * count);
        Buffer all(count * n * 4);
        Expect(ecclGather(in.data(), rank == root ? all.data() : nullptr, count, ecclFloat32, root,
                          comm));
        for (int from = 0; rank == root && from < size(); ++from) {
          const auto at = static_cast<std::size_t>(from) * count;
          const Buffer theirs = MakeInput(from, count, ecclFloat32, ecclSum, at);
          EXPECT_EQ(std::memcmp(all.data() + at * 4, theirs.data(), theirs.size()), 0) << from;
        }
        Buffer back(in.size());
        Expect(ecclScatter(rank == root ? all.data() : nullptr, back.data(), count, ecclFloat32,
                           root, comm));
        EXPECT_TRUE(back == in);
        // In place on the root.
        std::byte* place = rank == root ? all.data() + own * count * 4 : back.data();
        Expect(ecclScatter(rank == root ? all.data() : nullptr, place, count, ecclFloat32, root,
                           comm));
        EXPECT_EQ(std::memcmp(place, in.data(), in.size()), 0);
        Expect(
            ecclGather(place, rank == root ? all.data() : nullptr, count, ecclFloat32, root, comm));
        EXPECT_EQ(std::memcmp(place, in.data(), in.size()), 0);
      }
    }
  });
}

TEST_P(Collectives, AllGatherOfEqualAndUnequalParts) {
  Ranks ranks(size(), transport());
  const auto n = static_cast<std::size_t>(size());
  ranks.Run([&](int rank, ecclComm_t comm) {
    for (const std::size_t unit : {0, 1, 101, 100'001}) {
      std::vector<std::size_t> equal(n, unit);
      std::vector<std::size_t> uneven(n);
      for (std::size_t r = 0; r < n; ++r) uneven[r] = unit * (r % 3);
      for (const bool is_even : {true, false}) {
        const auto& counts = is_even ? equal : uneven;
        std::vector<std::int32_t> want;
        std::size_t own = 0;
        for (std::size_t r = 0; r < n; ++r) {
          if (static_cast<int>(r) == rank) own = want.size();
          for (std::size_t i = 0; i < counts[r]; ++i) {
            want.push_back(static_cast<std::int32_t>(r * 1'000'000 + i));
          }
        }
        const std::size_t mine = counts[static_cast<std::size_t>(rank)];
        std::vector<std::int32_t> in(want.begin() + static_cast<std::ptrdiff_t>(own),
                                     want.begin() + static_cast<std::ptrdiff_t>(own + mine));
        std::vector<std::int32_t> out(want.size());
        if (is_even) {
          Expect(ecclAllGather(in.data(), out.data(), unit, ecclInt32, comm));
        } else {
          Expect(ecclAllGatherV(in.data(), out.data(), counts.data(), ecclInt32, comm));
        }
        EXPECT_EQ(out, want);
      }
    }
  });
}

TEST_P(Collectives, BroadcastFromEveryRoot) {
  Ranks ranks(size(), transport());
  ranks.Run([&](int rank, ecclComm_t comm) {
    for (int root = 0; root < size(); ++root) {
      for (const std::size_t count : {0, 1, 999, 300'001}) {
        std::vector<std::uint8_t> in(count, static_cast<std::uint8_t>(rank + 1));
        std::vector<std::uint8_t> out(count);
        Expect(ecclBroadcast(in.data(), out.data(), count, ecclUint8, root, comm));
        EXPECT_EQ(out, std::vector<std::uint8_t>(count, static_cast<std::uint8_t>(root + 1)));
      }
    }
  });
}

TEST_P(Collectives, AllToAllInAndOutOfPlaceAndUneven) {
  Ranks ranks(size(), transport());
  const auto n = static_cast<std::size_t>(size());
  ranks.Run([&](int rank, ecclComm_t comm) {
    const auto me = static_cast<std::size_t>(rank);
    for (const std::size_t count : {0, 1, 1001, 40'000}) {
      std::vector<std::uint64_t> in, want;
      for (std::size_t r = 0; r < n; ++r) {
        for (std::size_t i = 0; i < count; ++i) {
          in.push_back(me << 40 | r << 32 | i);
          want.push_back(r << 40 | me << 32 | i);
        }
      }
      std::vector<std::uint64_t> out(in.size());
      Expect(ecclAllToAll(in.data(), out.data(), count, ecclUint64, comm));
      EXPECT_EQ(out, want);
      Expect(ecclAllToAll(in.data(), in.data(), count, ecclUint64, comm));
      EXPECT_EQ(in, want);
    }
    std::vector<std::size_t> send_counts(n), receive_counts(n);
    std::vector<std::int8_t> in, want;
    for (std::size_t r = 0; r < n; ++r) {
      send_counts[r] = me + 2 * r;
      receive_counts[r] = r + 2 * me;
      in.insert(in.end(), send_counts[r], static_cast<std::int8_t>(me * 10 + r));
      want.insert(want.end(), receive_counts[r], static_cast<std::int8_t>(r * 10 + me));
    }
    std::vector<std::int8_t> out(want.size());
    Expect(ecclAllToAllV(in.data(), send_counts.data(), out.data(), receive_counts.data(), ecclInt8,
                         comm));
    EXPECT_EQ(out, want);
  });
}

TEST_P(Collectives, BarrierHoldsEverybodyUntilTheLastOneComes) {
  Ranks ranks(size(), transport());
  std::atomic<int> arrived{0};
  ranks.Run([&](int, ecclComm_t comm) {
    for (int round = 1; round <= 50; ++round) {
      ++arrived;
      Expect(ecclBarrier(comm));
      EXPECT_GE(arrived.load(), round * size());
    }
  });
}

class PointToPoint : public Collectives {};

TEST_P(PointToPoint, SendAndReceiveAroundARing) {
  Ranks ranks(size(), transport());
  ranks.Run([&](int rank, ecclComm_t comm) {
    const int right = (rank + 1) % size();
    const int left = (rank + size() - 1) % size();
    for (const std::size_t count : {0, 3, 500'000}) {
      const std::vector<float> out(count, static_cast<float>(rank));
      std::vector<float> in(count);
      Expect(ecclSendRecv(out.data(), count, right, in.data(), count, left, ecclFloat32, comm));
      EXPECT_EQ(in, std::vector<float>(count, static_cast<float>(left)));
      if (rank == 0) Expect(ecclSend(out.data(), count, ecclFloat32, 1, comm));
      if (rank == 1) Expect(ecclRecv(in.data(), count, ecclFloat32, 0, comm));
    }
  });
}

std::vector<Shape> Shapes(int smallest) {
  std::vector<Shape> shapes;
  shapes.reserve(11);
  for (int size = smallest; size <= 8; ++size) shapes.push_back({size, "shm"});
  for (const int size : {2, 3, 5}) shapes.push_back({size, "tcp"});
  return shapes;
}
std::string NameOf(const testing::TestParamInfo<Shape>& info) {
  return info.param.transport + std::to_string(info.param.size);
}
INSTANTIATE_TEST_SUITE_P(Ranks, Collectives, testing::ValuesIn(Shapes(1)), NameOf);
INSTANTIATE_TEST_SUITE_P(Ranks, PointToPoint, testing::ValuesIn(Shapes(2)), NameOf);

TEST(Errors, DifferentCountsAreShownFromBothSides) {
  Ranks ranks(2, "shm");
  ranks.Run([](int rank, ecclComm_t comm) {
    std::vector<float> data(16);
    const std::size_t count = rank == 0 ? 16 : 8;
    EXPECT_EQ(ecclAllReduce(data.data(), data.data(), count, ecclFloat32, ecclSum, comm),
              ecclMismatch);
    const std::string text = ecclGetLastError(comm);
    EXPECT_NE(text.find("allreduce #1 (float32 x 16, sum)"), std::string::npos) << text;
    EXPECT_NE(text.find("allreduce #1 (float32 x 8, sum)"), std::string::npos) << text;
    EXPECT_EQ(ecclBarrier(comm), ecclMismatch) << "a failed communicator stays failed";
  });
}

TEST(Errors, ARankThatSkipsACallIsFoundOutByAllOfFour) {
  Ranks ranks(4, "shm");
  ranks.Run([](int rank, ecclComm_t comm) {
    std::int32_t value = rank;
    const ecclResult_t result = rank == 2
                                    ? ecclBroadcast(&value, &value, 1, ecclInt32, 0, comm)
                                    : ecclAllReduce(&value, &value, 1, ecclInt32, ecclMax, comm);
    EXPECT_EQ(result, ecclMismatch);
    const std::string text = ecclGetLastError(comm);
    EXPECT_NE(text.find("broadcast #1 (int32 x 1, root 0)"), std::string::npos) << text;
    EXPECT_NE(text.find("allreduce #1 (int32 x 1, max)"), std::string::npos) << text;
  });
}

TEST(Errors, ReceivingAnotherCountThanWasSentIsAMismatch) {
  Ranks ranks(2, "shm");
  ranks.Run([](int rank, ecclComm_t comm) {
    double data[4] = {};
    if (rank == 0) {
      ecclSend(data, 4, ecclFloat64, 1, comm);
    } else {
      EXPECT_EQ(ecclRecv(data, 3, ecclFloat64, 0, comm), ecclMismatch);
      EXPECT_NE(std::string(ecclGetLastError(comm)).find("float64 x 4"), std::string::npos);
    }
  });
}

TEST(Errors, ATimeOutNamesTheRankThatDidNotCall) {
  ecclComm_t comms[3];
  ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
  config.timeout_ms = 500;
  ASSERT_EQ(ecclCommInitAll(comms, 3, &config), ecclSuccess) << ecclGetLastError(nullptr);
  {
    std::vector<std::jthread> threads;
    threads.reserve(2);
    for (const int rank : {0, 2}) {
      threads.emplace_back([&, rank] {
        EXPECT_EQ(ecclBarrier(comms[rank]), ecclTimeout);
        const std::string text = ecclGetLastError(nullptr);
        EXPECT_NE(text.find("barrier #1"), std::string::npos) << text;
        EXPECT_NE(text.find("rank 1 (host"), std::string::npos) << text;
        EXPECT_NE(text.find("has called nothing yet"), std::string::npos) << text;
      });
    }
  }
  for (ecclComm_t comm : comms) EXPECT_EQ(ecclCommDestroy(comm), ecclSuccess);
}

TEST(Errors, ATimeOutMayBeChangedWhileACallWaits) {
  ecclComm_t comms[2];
  ASSERT_EQ(ecclCommInitAll(comms, 2, nullptr), ecclSuccess) << ecclGetLastError(nullptr);
  EXPECT_EQ(ecclCommSetTimeout(comms[0], 0), ecclInvalidArgument);
  std::jthread waiting([&] {
    EXPECT_EQ(ecclBarrier(comms[0]), ecclTimeout);
    EXPECT_NE(std::string(ecclGetLastError(nullptr)).find("rank 1 (host"), std::string::npos)
        << ecclGetLastError(nullptr);
  });
  EXPECT_EQ(ecclCommSetTimeout(comms[0], 50), ecclSuccess);
  waiting.join();
  for (ecclComm_t comm : comms) EXPECT_EQ(ecclCommDestroy(comm), ecclSuccess);
}

TEST(Errors, LeavingIsReportedToARankThatStillWaits) {
  ecclComm_t comms[2];
  ASSERT_EQ(ecclCommInitAll(comms, 2, nullptr), ecclSuccess) << ecclGetLastError(nullptr);
  std::jthread waiting([&] {
    EXPECT_EQ(ecclBarrier(comms[0]), ecclRemoteError);
    EXPECT_NE(std::string(ecclGetLastError(nullptr)).find("has left"), std::string::npos)
        << ecclGetLastError(nullptr);
  });
  EXPECT_EQ(ecclCommDestroy(comms[1]), ecclSuccess);
  waiting.join();
  EXPECT_EQ(ecclCommDestroy(comms[0]), ecclSuccess);
}

TEST(Errors, AbortFromAnotherThreadWakesTheWaitingOneAndItsPeers) {
  for (const char* transport : {"shm", "tcp"}) {
    for (int round = 0; round < 20; ++round) {
      ecclComm_t comms[2];
      ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
      config.transport = transport;
      ASSERT_EQ(ecclCommInitAll(comms, 2, &config), ecclSuccess) << ecclGetLastError(nullptr);
      ecclResult_t own = ecclSuccess;
      ecclResult_t other = ecclSuccess;
      {
        char data[2];
        std::jthread a([&] { own = ecclRecv(data, 1, ecclUint8, 1, comms[0]); });
        std::jthread b([&] { other = ecclRecv(data + 1, 1, ecclUint8, 0, comms[1]); });
        EXPECT_EQ(ecclCommAbort(comms[0]), ecclSuccess);
      }
      // The abort may come before the call: then there is no such communicator any more.
      EXPECT_TRUE(own == ecclAborted || own == ecclInvalidArgument) << own;
      EXPECT_EQ(other, ecclRemoteError);
      EXPECT_EQ(ecclCommDestroy(comms[1]), ecclSuccess);
      EXPECT_EQ(ecclCommDestroy(comms[0]), ecclInvalidArgument) << "aborted handles are gone";
    }
  }
}

TEST(Errors, WrongArgumentsAreNamed) {
  ecclComm_t comm;
  ASSERT_EQ(ecclCommInitAll(&comm, 1, nullptr), ecclSuccess);
  float value = 1;
  const auto refused = [&](ecclResult_t result, const char* part) {
    EXPECT_EQ(result, ecclInvalidArgument);
    EXPECT_NE(std::string(ecclGetLastError(comm)).find(part), std::string::npos)
        << ecclGetLastError(comm);
  };
  refused(ecclAllReduce(nullptr, &value, 1, ecclFloat32, ecclSum, comm), "sendbuff is NULL");
  refused(ecclAllReduce(&value, &value, 1, static_cast<ecclDataType_t>(77), ecclSum, comm), "77");
  refused(ecclAllReduce(&value, &value, 1, ecclFloat32, static_cast<ecclRedOp_t>(9), comm),
          "op is 9");
  refused(ecclAllReduce(&value, &value, 1, ecclFloat32, ecclBxor, comm),
          "op bxor combines bits of integers; datatype is float32");
  refused(ecclBroadcast(&value, &value, 1, ecclFloat32, 1, comm), "root is 1");
  refused(ecclSend(&value, 1, ecclFloat32, 0, comm), "this rank itself");
  refused(ecclAllReduce(&value, &value, SIZE_MAX / 2, ecclFloat32, ecclSum, comm), "count is");
  ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
  config.transport = "pigeon";
  ecclComm_t none;
  refused(ecclCommInitAll(&none, 1, &config), "auto, shm or tcp");
  EXPECT_EQ(ecclCommDestroy(comm), ecclSuccess);
  EXPECT_EQ(ecclBarrier(comm), ecclInvalidArgument);
}

}  // namespace
}  // namespace regatta::eccl

// Compressed all-reduces through the C API, with ranks as threads.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "eccl/formats/convert.h"
#include "eccl/testing/compression.h"
#include "eccl/types.h"
#include "regatta/eccl.h"

namespace regatta::eccl {
namespace {

double Largest(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

struct Shape {
  int size;
  const char* transport;
  ecclWireFormat_t format;
};
void PrintTo(const Shape& shape, std::ostream* out) {
  *out << shape.size << " ranks over " << shape.transport << " in " << NameOf(shape.format);
}

class Dense : public testing::TestWithParam<Shape> {
 protected:
  int size() const { return GetParam().size; }
  ecclWireFormat_t format() const { return GetParam().format; }
  // How wrong one rounding of a value may be, for values up to `largest`.
  double Rounding(double largest) const {
    if (format() == ecclWireInt8) return largest / 253;
    return largest / (format() == ecclWireFloat16 ? 2048 : 256);
  }
};

TEST_P(Dense, SumsAndAveragesOfEveryLengthAreCloseAndTheSameOnAllRanks) {
  Ranks ranks(size(), GetParam().transport);
  for (const std::size_t count : {0, 1, 7, 1003, 300'007}) {
    const std::vector<double> exact = ExactSum(size(), count);
    for (const ecclRedOp_t op : {ecclSum, ecclAvg}) {
      std::vector<Floats> results(static_cast<std::size_t>(size()), Floats(count));
      ranks.Run([&](int rank, ecclComm_t comm) {
        const Handle compressor(ConfigOf(format()));
        const Floats in = Random(static_cast<unsigned>(rank), count);
        Floats& out = results[static_cast<std::size_t>(rank)];
        Expect(ecclAllReduceCompressed(in.data(), out.data(), count, ecclFloat32, op,
                                       compressor.get(), comm));
        Floats both = in;
        Expect(ecclCompressorReset(compressor.get()));
        Expect(ecclAllReduceCompressed(both.data(), both.data(), count, ecclFloat32, op,
                                       compressor.get(), comm));
        EXPECT_EQ(both, out);
        ecclOpInfo_t info;
        Expect(ecclCommGetLastOp(comm, &info));
        EXPECT_EQ(info.algorithm, std::string(NameOf(format())) + " direct");
      });
      ExpectSameBits(results);
      const double by = op == ecclAvg ? size() : 1;
      // Values are below 6; each rank's is rounded, and the result.
      const double bound = (Rounding(6) * size() + Rounding(Largest(exact))) / by + 1e-5;
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_NEAR(results[0][i], exact[i] / by, bound) << i << " of " << count;
      }
    }
  }
}

TEST_P(Dense, EveryFloatingPointTypeAtAnOddAddress) {
  constexpr std::size_t kCount = 2049;
  Ranks ranks(size(), GetParam().transport);
  ranks.Run([&](int rank, ecclComm_t comm) {
    for (const ecclDataType_t type : {ecclFloat16, ecclBfloat16, ecclFloat32, ecclFloat64}) {
      // Small whole numbers: exact in 16 bits, and their sums.
      Floats floats(kCount);
      for (std::size_t i = 0; i < kCount; ++i) {
        floats[i] = static_cast<float>((static_cast<std::size_t>(rank) * 7 + i * 3) % 7);
      }
      std::vector<std::byte> bytes(kCount * SizeOf(type) + 1);
      Narrow(reinterpret_cast<const std::byte*>(floats.data()), bytes.data() + 1, kCount, type);
      const Handle compressor(ConfigOf(format()));
      Expect(ecclAllReduceCompressed(bytes.data() + 1, bytes.data() + 1, kCount, type, ecclSum,
                                     compressor.get(), comm));
      Widen(bytes.data() + 1, reinterpret_cast<std::byte*>(floats.data()), kCount, type);
      for (std::size_t i = 0; i < kCount; ++i) {
        std::size_t sum = 0;
        for (std::size_t r = 0; r < static_cast<std::size_t>(size()); ++r)
          sum += (r * 7 + i * 3) % 7;
        const double bound =
            format() == ecclWireInt8 ? Rounding(6) * size() + Rounding(6.0 * size()) : 0;
        // int8's result is rounded to the caller's type once more.
        const double own = type == ecclBfloat16 ? 6.0 * size() / 256 : 6.0 * size() / 2048;
        ASSERT_NEAR(floats[i], static_cast<double>(sum), bound > 0 ? bound + own : 0)
            << NameOf(type) << " " << i;
      }
    }
  });
}

// Constant gradients: after n steps what all ranks received differs from n times the exact mean by
// what is still owed, which stays as small as one step's rounding. Without feedback it grows.
TEST_P(Dense, ErrorFeedbackMakesTheMeanOfManyStepsExact) {
  constexpr std::size_t kCount = 2000;
  constexpr int kSteps = 100;
  const std::vector<double> exact = ExactSum(size(), kCount);
  Ranks ranks(size(), GetParam().transport);
  for (const bool feedback : {true, false}) {
    std::vector<double> total(kCount);
    ranks.Run([&](int rank, ecclComm_t comm) {
      ecclCompressorConfig_t config = ConfigOf(format());
      config.error_feedback = feedback ? 1 : 0;
      const Handle compressor(config);
      const Floats in = Random(static_cast<unsigned>(rank), kCount);
      Floats out(kCount);
      for (int step = 0; step < kSteps; ++step) {
        Expect(ecclAllReduceCompressed(in.data(), out.data(), kCount, ecclFloat32, ecclAvg,
                                       compressor.get(), comm));
        for (std::size_t i = 0; rank == 0 && i < kCount; ++i) total[i] += out[i];
      }
      EXPECT_EQ(compressor.info().steps, kSteps);
      EXPECT_EQ(compressor.info().residual_norm > 0, feedback);
    });
    double worst = 0;
    for (std::size_t i = 0; i < kCount; ++i) {
      worst = std::max(worst, std::fabs(total[i] / kSteps - exact[i] / size()));
    }
    // Each share's own values are exact, and one result's rounding is left; twice that at most.
    const double once = Rounding(6) + Rounding(Largest(exact) / size());
    if (feedback) {
      EXPECT_LE(worst, 2 * once / kSteps) << "of " << once;
    } else {
      EXPECT_GT(worst, once / 20) << "the test would not notice missing feedback";
    }
  }
}

TEST_P(Dense, SendsAsFewBytesAsTheFormatSays) {
  constexpr std::size_t kCount = 240'000;
  const auto n = static_cast<std::size_t>(size());
  Ranks ranks(size(), GetParam().transport);
  ranks.Run([&](int rank, ecclComm_t comm) {
    const Handle compressor(ConfigOf(format()));
    Floats data = Random(static_cast<unsigned>(rank), kCount);
    Expect(ecclAllReduceCompressed(data.data(), data.data(), kCount, ecclFloat32, ecclSum,
                                   compressor.get(), comm));
    const double values = 2.0 * static_cast<double>(kCount) * (size() - 1) / size();
    const double each = format() == ecclWireInt8 ? 1 + 4.0 / 256 : 2;
    EXPECT_NEAR(static_cast<double>(compressor.info().sent_bytes), values * each,
                64.0 * static_cast<double>(n));
  });
}

TEST_P(Dense, AValueThatIsNotFiniteIsSeenByAllAndLeavesNoDebt) {
  constexpr std::size_t kCount = 999;
  std::vector<Floats> results(static_cast<std::size_t>(size()));
  Ranks ranks(size(), GetParam().transport);
  ranks.Run([&](int rank, ecclComm_t comm) {
    const Handle compressor(ConfigOf(format()));
    Floats in(kCount, 1.0f);
    if (rank == size() - 1) in[10] = std::numeric_limits<float>::quiet_NaN();
    if (rank == 0) in[990] = std::numeric_limits<float>::infinity();
    Floats& out = results[static_cast<std::size_t>(rank)];
    out.resize(kCount);
    Expect(ecclAllReduceCompressed(in.data(), out.data(), kCount, ecclFloat32, ecclSum,
                                   compressor.get(), comm));
    EXPECT_TRUE(std::isnan(out[10]));
    EXPECT_FALSE(std::isfinite(out[990]));
    for (const std::size_t i : {std::size_t{0}, std::size_t{9}, std::size_t{11}, kCount - 1}) {
      EXPECT_NEAR(out[i], size(), 0.01 * size()) << i;
    }
    in.assign(kCount, 1.0f);
    Expect(ecclAllReduceCompressed(in.data(), in.data(), kCount, ecclFloat32, ecclSum,
                                   compressor.get(), comm));
    for (const float value : in) ASSERT_NEAR(value, size(), 0.02 * size());
  });
  ExpectSameBits(results);
}

TEST_P(Dense, ASavedCompressorGoesOnWithTheSameBits) {
  constexpr std::size_t kCount = 3001;
  Ranks ranks(size(), GetParam().transport);
  ranks.Run([&](int rank, ecclComm_t comm) {
    const Handle first(ConfigOf(format()));
    const Floats in = Random(static_cast<unsigned>(rank), kCount);
    Floats out(kCount), again(kCount);
    const auto step = [&](const Handle& compressor, Floats* into) {
      Expect(ecclAllReduceCompressed(in.data(), into->data(), kCount, ecclFloat32, ecclSum,
                                     compressor.get(), comm));
    };
    for (int i = 0; i < 3; ++i) step(first, &out);
    const std::vector<char> state = first.Save();
    step(first, &out);
    const Handle second(ConfigOf(format()));
    Expect(ecclCompressorRestore(second.get(), state.data(), state.size()));
    EXPECT_EQ(second.info().steps, 3);
    step(second, &again);
    EXPECT_EQ(out, again);
    const Handle fresh(ConfigOf(format()));
    step(fresh, &again);
    EXPECT_NE(out, again) << "the state makes a difference";
  });
}

std::vector<Shape> DenseShapes() {
  std::vector<Shape> shapes;
  for (const ecclWireFormat_t format : {ecclWireFloat16, ecclWireBfloat16, ecclWireInt8}) {
    for (const int size : {1, 2, 3, 8}) shapes.push_back({size, "shm", format});
    shapes.push_back({3, "tcp", format});
  }
  return shapes;
}
INSTANTIATE_TEST_SUITE_P(Formats, Dense, testing::ValuesIn(DenseShapes()));

TEST(Compressed, WithinOneHostNothingIsCompressedUnlessAskedFor) {
  Ranks ranks(2, "shm");
  ranks.Run([](int rank, ecclComm_t comm) {
    ecclCompressorConfig_t config = ConfigOf(ecclWireInt8);
    config.inside_hosts = 0;
    const Handle compressor(config);
    const Floats in = Random(static_cast<unsigned>(rank), 5000);
    Floats exact(5000), out(5000);
    Expect(ecclAllReduce(in.data(), exact.data(), 5000, ecclFloat32, ecclAvg, comm));
    Expect(ecclAllReduceCompressed(in.data(), out.data(), 5000, ecclFloat32, ecclAvg,
                                   compressor.get(), comm));
    EXPECT_EQ(out, exact);
    EXPECT_EQ(compressor.info().sent_bytes, 0u);
  });
}

void ExpectMismatch(const ecclCompressorConfig_t& one, const ecclCompressorConfig_t& other,
                    const std::vector<std::string>& parts) {
  Ranks ranks(2, "shm");
  ranks.Run([&](int rank, ecclComm_t comm) {
    const Handle compressor(rank == 0 ? one : other);
    Floats data(100, 1);
    EXPECT_EQ(ecclAllReduceCompressed(data.data(), data.data(), 100, ecclFloat32, ecclSum,
                                      compressor.get(), comm),
              ecclMismatch);
    const std::string text = ecclGetLastError(comm);
    for (const std::string& part : parts) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
    }
  });
}

TEST(Compressed, RanksThatUseOtherFormatsOrOptionsAreToldBoth) {
  const ecclCompressorConfig_t int8 = ConfigOf(ecclWireInt8);
  ExpectMismatch(int8, ConfigOf(ecclWireFloat16),
                 {"allreduce #1 (float32 x 100, sum, int8 in groups of 256, options",
                  "allreduce #1 (float32 x 100, sum, float16, options"});
  ecclCompressorConfig_t other = int8;
  other.int8_group = 64;
  ExpectMismatch(int8, other, {"int8 in groups of 256", "int8 in groups of 64"});
  other = int8;
  other.error_feedback = 0;
  ExpectMismatch(int8, other, {"int8 in groups of 256, options"});
}

TEST(Compressed, ARankThatDoesNotCompressIsAMismatch) {
  Ranks ranks(2, "tcp");
  ranks.Run([](int rank, ecclComm_t comm) {
    const Handle compressor(ConfigOf(ecclWireBfloat16));
    Floats data(100'000, 1);
    const ecclResult_t result =
        rank == 0 ? ecclAllReduce(data.data(), data.data(), data.size(), ecclFloat32, ecclSum, comm)
                  : ecclAllReduceCompressed(data.data(), data.data(), data.size(), ecclFloat32,
                                            ecclSum, compressor.get(), comm);
    EXPECT_EQ(result, ecclMismatch);
    const std::string text = ecclGetLastError(comm);
    EXPECT_NE(text.find("(float32 x 100000, sum)"), std::string::npos) << text;
    EXPECT_NE(text.find("(float32 x 100000, sum, bfloat16, options"), std::string::npos) << text;
  });
}

TEST(Compressed, WrongArgumentsAreNamed) {
  ecclComm_t comm;
  ASSERT_EQ(ecclCommInitAll(&comm, 1, nullptr), ecclSuccess);
  Floats data(10, 1);
  const auto says = [&](ecclResult_t result, ecclResult_t want, const char* part) {
    EXPECT_EQ(result, want);
    EXPECT_NE(std::string(ecclGetLastError(comm)).find(part), std::string::npos)
        << ecclGetLastError(comm);
  };
  {
    const Handle compressor(ConfigOf(ecclWireInt8));
    const auto reduce = [&](std::size_t count, ecclDataType_t type, ecclRedOp_t op) {
      return ecclAllReduceCompressed(data.data(), data.data(), count, type, op, compressor.get(),
                                     comm);
    };
    says(reduce(10, ecclInt32, ecclSum), ecclInvalidArgument, "datatype is int32");
    says(reduce(10, ecclFloat32, ecclMax), ecclInvalidArgument, "op is max");
    Expect(reduce(10, ecclFloat32, ecclSum));
    says(reduce(9, ecclFloat32, ecclSum), ecclInvalidUsage, "10 elements, and this one has 9");
    Expect(ecclCompressorReset(compressor.get()));
    Expect(reduce(9, ecclFloat32, ecclSum));
    std::vector<char> state = compressor.Save();
    std::size_t few = 3;
    says(ecclCompressorSave(compressor.get(), state.data(), &few), ecclInvalidArgument,
         "the buffer has 3 bytes");
    EXPECT_EQ(few, state.size());
    const auto restore = [&](std::size_t bytes) {
      return ecclCompressorRestore(compressor.get(), state.data(), bytes);
    };
    says(restore(state.size() - 1), ecclInvalidArgument, "its lengths do not add up");
    says(restore(20), ecclInvalidArgument, "less than a header");
    const Handle other(ConfigOf(ecclWireFloat16));
    says(ecclCompressorRestore(other.get(), state.data(), state.size()), ecclInvalidArgument,
         "other options (format int8, and this one is float16)");
    state[4] = 9;
    says(restore(state.size()), ecclInvalidArgument, "it has version 9");
    state[0] = 'X';
    says(restore(state.size()), ecclInvalidArgument, "does not begin with ECCS");
  }
  ecclCompressor_t none = nullptr;
  says(ecclAllReduceCompressed(data.data(), data.data(), 1, ecclFloat32, ecclSum, none, comm),
       ecclInvalidArgument, "no compressor");
  says(ecclCompressorDestroy(none), ecclInvalidArgument, "no compressor");
  const auto refused = [&](auto change, const char* part) {
    ecclCompressorConfig_t config = ECCL_COMPRESSOR_CONFIG_INITIALIZER;
    change(config);
    says(ecclCompressorCreate(&none, &config), ecclInvalidArgument, part);
  };
  refused([](auto& c) { c.format = static_cast<ecclWireFormat_t>(9); }, "format is 9");
  refused([](auto& c) { c.int8_group = 100; }, "int8_group is 100; it may be a power of two");
  refused([](auto& c) { c.topk_ratio = 0; }, "topk_ratio is 0");
  refused([](auto& c) { c.topk_ratio = std::nan(""); }, "topk_ratio is nan");
  refused([](auto& c) { c.momentum = 0.9; }, "momentum is 0.9");
  refused([](auto& c) { c.clip_norm = -1; }, "clip_norm is -1");
  refused([](auto& c) { c.powersgd_rank = 0; }, "powersgd_rank is 0; it may be 1 to 256");
  refused([](auto& c) { c.size = 4000; }, "size is 4000");
  EXPECT_EQ(ecclCommDestroy(comm), ecclSuccess);
}

}  // namespace
}  // namespace regatta::eccl

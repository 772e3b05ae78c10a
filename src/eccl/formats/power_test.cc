// PowerSGD through the C API, with ranks as threads, and the algebra under it.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "eccl/formats/matrix.h"
#include "eccl/testing/compression.h"

namespace regatta::eccl {
namespace {

double DotOf(const Floats& columns, std::size_t length, std::size_t a, std::size_t b) {
  double sum = 0;
  for (std::size_t i = 0; i < length; ++i) {
    sum += double{columns[a * length + i]} * columns[b * length + i];
  }
  return sum;
}

void ExpectOrthonormal(const Floats& columns, std::size_t length) {
  for (std::size_t a = 0; a < columns.size() / length; ++a) {
    for (std::size_t b = 0; b <= a; ++b) {
      EXPECT_NEAR(DotOf(columns, length, a, b), a == b ? 1 : 0, 1e-5) << a << " " << b;
    }
  }
}

TEST(Matrix, ColumnsBecomeOrthonormalAlsoWhenTheyAreNearlyTheSame) {
  for (const std::size_t length : {4, 37, 1000}) {
    Floats columns = Random(1, length * 4);
    Orthonormalise(columns.data(), length, 4, 7);
    ExpectOrthonormal(columns, length);

    columns = Random(1, length * 4);
    for (std::size_t i = 0; i < length; ++i) {
      columns[length + i] = columns[i] * 2;          // the same direction
      columns[2 * length + i] += columns[i] * 1e4f;  // almost
      columns[3 * length + i] = 0;
    }
    Floats again = columns;
    Orthonormalise(columns.data(), length, 4, 7);
    ExpectOrthonormal(columns, length);
    Orthonormalise(again.data(), length, 4, 7);
    EXPECT_EQ(columns, again) << "what is random comes from the seed";
  }
}

TEST(Matrix, DotOfAnyLength) {
  for (const std::size_t count : {0, 1, 15, 16, 17, 1000}) {
    const Floats a = Random(1, count), b = Random(2, count);
    double want = 0;
    for (std::size_t i = 0; i < count; ++i) want += double{a[i]} * b[i];
    EXPECT_NEAR(Dot(a.data(), b.data(), count), want, 1e-4);
  }
}

class PowerSgd : public testing::TestWithParam<int> {
 protected:
  int size() const { return GetParam(); }
  static ecclCompressorConfig_t Config(int rank, std::size_t rows) {
    ecclCompressorConfig_t config = ConfigOf(ecclWirePowerSgd);
    config.powersgd_rank = rank;
    config.powersgd_rows = rows;
    return config;
  }
};

// A matrix of rank 2, another one on each rank of the job; all in the same two directions.
Floats OfRankTwo(int rank, std::size_t rows, std::size_t columns) {
  const Floats left = Random(100, rows * 2), right = Random(200, columns * 2);
  Floats matrix(rows * columns);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      matrix[i * columns + j] =
          static_cast<float>(rank + 1) * left[i] * right[j] + left[rows + i] * right[columns + j];
    }
  }
  return matrix;
}

TEST_P(PowerSgd, AMatrixOfLowRankArrivesWhole) {
  constexpr std::size_t kRows = 40, kColumns = 61;
  std::vector<Floats> results(static_cast<std::size_t>(size()));
  Ranks ranks(size(), "shm");
  ranks.Run([&](int rank, ecclComm_t comm) {
    const Handle compressor(Config(2, kRows));
    Floats& data = results[static_cast<std::size_t>(rank)];
    data = OfRankTwo(rank, kRows, kColumns);
    compressor.Reduce(data, &data, comm);
    ecclOpInfo_t info;
    Expect(ecclCommGetLastOp(comm, &info));
    EXPECT_STREQ(info.algorithm, "powersgd");
    EXPECT_LT(compressor.info().residual_norm, 1e-2);
  });
  ExpectSameBits(results);
  for (std::size_t i = 0; i < kRows * kColumns; ++i) {
    float sum = 0;
    for (int rank = 0; rank < size(); ++rank) sum += OfRankTwo(rank, kRows, kColumns)[i];
    ASSERT_NEAR(results[0][i], sum, 1e-3) << i;
  }
}

// Also in shapes whose last row is short, or that would have empty rows.
TEST_P(PowerSgd, ErrorFeedbackMakesTheMeanOfManyStepsExact) {
  constexpr int kSteps = 400;
  Ranks ranks(size(), "shm");
  for (const std::size_t count : {400, 397}) {
    const std::vector<double> exact = ExactSum(size(), count);
    std::vector<double> total(count);
    std::vector<Floats> results(static_cast<std::size_t>(size()), Floats(count));
    ranks.Run([&](int rank, ecclComm_t comm) {
      const Handle compressor(Config(4, 0));
      const Floats in = Random(static_cast<unsigned>(rank), count);
      Floats& out = results[static_cast<std::size_t>(rank)];
      for (int step = 0; step < kSteps; ++step) {
        compressor.Reduce(in, &out, comm, ecclAvg);
        for (std::size_t i = 0; rank == 0 && i < count; ++i) total[i] += out[i];
      }
    });
    ExpectSameBits(results);
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_NEAR(total[i] / kSteps, exact[i] / size(), 0.15) << i;
    }
  }
}

TEST_P(PowerSgd, ASmallTensorIsSentExactly) {
  Ranks ranks(size(), "shm");
  for (const std::size_t count : {0, 1, 30}) {
    ranks.Run([&](int rank, ecclComm_t comm) {
      const Handle compressor(Config(4, 0));
      Floats data(count, static_cast<float>(rank + 1));
      compressor.Reduce(data, &data, comm, ecclAvg);
      EXPECT_EQ(data, Floats(count, static_cast<float>(size() + 1) / 2));
      ecclOpInfo_t info;
      Expect(ecclCommGetLastOp(comm, &info));
      EXPECT_STREQ(info.algorithm, "powersgd exact");
    });
  }
}

TEST_P(PowerSgd, ValuesThatAreNotFiniteAreSeenByAllAndNotRemembered) {
  Ranks ranks(size(), "shm");
  ranks.Run([&](int rank, ecclComm_t comm) {
    const Handle compressor(Config(2, 20));
    const Floats good = OfRankTwo(rank, 20, 30);
    Floats out(600);
    compressor.Reduce(good, &out, comm);
    const std::vector<char> before = compressor.Save();
    Floats bad = good;
    if (rank == size() - 1) bad[77] = -std::numeric_limits<float>::infinity();
    compressor.Reduce(bad, &out, comm);
    for (const float value : out) ASSERT_TRUE(std::isnan(value));
    std::vector<char> after = compressor.Save();
    EXPECT_EQ(compressor.info().steps, 2u);
    after[24] = before[24];  // the number of steps
    EXPECT_EQ(before, after);
  });
}

TEST_P(PowerSgd, ASavedCompressorGoesOnWithTheSameBits) {
  Ranks ranks(size(), "shm");
  ranks.Run([&](int rank, ecclComm_t comm) {
    const Handle first(Config(2, 0));
    const Floats in = Random(static_cast<unsigned>(rank), 1000);
    Floats out(1000), again(1000);
    for (int i = 0; i < 3; ++i) first.Reduce(in, &out, comm);
    const std::vector<char> state = first.Save();
    first.Reduce(in, &out, comm);
    const Handle second(Config(2, 0));
    Expect(ecclCompressorRestore(second.get(), state.data(), state.size()));
    second.Reduce(in, &again, comm);
    EXPECT_EQ(out, again);
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, PowerSgd, testing::Values(1, 2, 3, 8));

TEST(PowerSgdOptions, ARankThatWasResetAloneIsAMismatch) {
  Ranks ranks(2, "shm");
  ranks.Run([](int rank, ecclComm_t comm) {
    const Handle compressor(ConfigOf(ecclWirePowerSgd));
    Floats data = Random(1, 1000);
    compressor.Reduce(data, &data, comm);
    if (rank == 1) Expect(ecclCompressorReset(compressor.get()));
    EXPECT_EQ(ecclAllReduceCompressed(data.data(), data.data(), 1000, ecclFloat32, ecclSum,
                                      compressor.get(), comm),
              ecclMismatch);
    const std::string text = ecclGetLastError(comm);
    EXPECT_NE(text.find("powersgd of rank 4, options"), std::string::npos) << text;
  });
}

}  // namespace
}  // namespace regatta::eccl

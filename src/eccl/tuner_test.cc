#include "eccl/tuner.h"

#include <unistd.h>

#include <map>
#include <string>

#include "base/json.h"
#include "eccl/select.h"
#include "eccl/status_server.h"
#include "eccl/testing/ranks.h"

namespace regatta::eccl {
namespace {

constexpr LinkCost kMemory{1e-6, 1e-10};
constexpr LinkCost kGigabit{1e-4, 8e-9};
constexpr std::size_t kBytes = 1u << 20;

CostModel ModelOf(const std::vector<std::vector<int>>& hosts) {
  CostModel model(hosts);
  model.SetCosts(kMemory, kGigabit);
  return model;
}

TEST(CostModel, PrefersFewRoundsForSmallAndFewBytesForLargeCalls) {
  const CostModel model = ModelOf({{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}});
  const auto time = [&](const char* name, std::size_t bytes) {
    return model.Predict(OpKind::kAllReduce, name, bytes);
  };
  EXPECT_LT(time("doubling", 1 << 10), time("ring", 1 << 10));
  EXPECT_LT(time("ring", 64 << 20), time("doubling", 64 << 20));
  EXPECT_LT(time("halving", 64 << 20), time("tree", 64 << 20));
  EXPECT_NEAR(time("ring", 64 << 20), 2.0 * 7 / 8 * (64 << 20) * kGigabit.per_byte, 0.05);
}

TEST(CostModel, KnowsWhatARingCrosses) {
  const CostModel blocks = ModelOf({{0, 1}, {2, 3}});
  const CostModel alternating = ModelOf({{0, 2}, {1, 3}});
  const auto time = [](const CostModel& model, const char* name) {
    return model.Predict(OpKind::kAllReduce, name, 64 << 20);
  };
  EXPECT_NEAR(time(alternating, "ring") / time(blocks, "ring"), 2, 0.05);
  // Two thirds of a ring's in block order: each byte crosses once each way.
  EXPECT_NEAR(time(blocks, "ring") / time(blocks, "hierarchical"), 1.5, 0.1);
  EXPECT_DOUBLE_EQ(time(blocks, "hierarchical"), time(alternating, "hierarchical"));
}

TEST(CostModel, SaysSoWhereItKnowsNothing) {
  const CostModel model = ModelOf({{0, 1}});
  EXPECT_LT(model.Predict(OpKind::kAllReduce, "carrier pigeon", kBytes), 0);
  EXPECT_LT(model.Predict(OpKind::kBroadcast, "ring", kBytes), 0);
}

constexpr std::string_view kCandidates[] = {"ring", "tree", "double tree", "direct", "halving"};

class TunerTest : public ::testing::Test {
 protected:
  // Makes a call in a world where each algorithm takes what `seconds` says; gives what it chose.
  Tuner::Choice Call() {
    const Tuner::Choice choice = tuner.Choose(OpKind::kAllReduce, kBytes, kCandidates, "ring");
    switch (tuner.Record(seconds.at(std::string(choice.algorithm)))) {
      case Tuner::Due::kNothing:
        break;
      case Tuner::Due::kProbe:
        tuner.SetCosts(kMemory, {});
        break;
      case Tuner::Due::kAgreement:
        ++agreements;
        for (double& sample : tuner.samples()) sample *= others;
        tuner.Agree();
        break;
    }
    return choice;
  }
  // Calls until there is a decision.
  Tuner::Choice Decide() {
    Tuner::Choice choice;
    for (int i = 0; i < 100; ++i) {
      choice = Call();
      if (std::string_view(choice.why) == "measured") return choice;
    }
    return choice;
  }

  std::map<std::string, double> seconds = {
      {"ring", 3e-3}, {"tree", 1e-3}, {"double tree", 1e-3}, {"direct", 2e-3}, {"halving", 2.5e-3}};
  double others = 0.5;  // what another rank's time is of this one's
  int agreements = 0;
  Tuner tuner{CostModel({{0, 1, 2, 3}})};
};

TEST_F(TunerTest, GoesBySizeUntilTheLinksAreKnownThenTriesAndKeepsTheFastest) {
  const Tuner::Choice first = Call();
  EXPECT_EQ(first.algorithm, "ring");
  EXPECT_STREQ(first.why, "size");
  EXPECT_STREQ(Call().why, "trial");
  EXPECT_TRUE(tuner.Decisions().empty());
  EXPECT_EQ(Decide().algorithm, "direct");
  EXPECT_EQ(agreements, 1);
  ASSERT_EQ(tuner.Decisions().size(), 1u);
  const Tuner::Decision decision = tuner.Decisions()[0];
  EXPECT_EQ(decision.least_bytes, kBytes);
  EXPECT_EQ(decision.algorithm, "direct");
  // A tree moves twice as much, so it was not worth a trial.
  for (const auto& [name, time] : decision.measured) {
    EXPECT_NE(name, "tree");
    EXPECT_DOUBLE_EQ(time, seconds.at(std::string(name)) * others) << "what the ranks agreed on";
  }
}

TEST_F(TunerTest, KeepsWhatIsInUseWhenAnotherIsHardlyFaster) {
  seconds["direct"] = seconds["halving"] = 0.96 * seconds["ring"];
  EXPECT_EQ(Decide().algorithm, "ring");
}

TEST_F(TunerTest, TriesAgainAfterAWhileAndFollowsAChange) {
  EXPECT_EQ(Decide().algorithm, "direct");
  seconds["direct"] = 9e-3;
  std::string_view algorithm = "direct";
  for (int i = 0; i < 600; ++i) algorithm = Call().algorithm;
  EXPECT_EQ(agreements, 2);
  EXPECT_EQ(algorithm, "halving");
  EXPECT_EQ(tuner.Decisions().size(), 1u);
}

TEST_F(TunerTest, ADecisionIsOfOneSizeOnly) {
  Decide();
  const Tuner::Choice other = tuner.Choose(OpKind::kAllReduce, 4 * kBytes, kCandidates, "ring");
  EXPECT_STREQ(other.why, "trial");
}

std::vector<float> Values(int rank, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = 1.0F / static_cast<float>(i % 97 + static_cast<std::size_t>(rank) + 1);
  }
  return values;
}

class Tuned : public ::testing::TestWithParam<const char*> {};

TEST_P(Tuned, AllRanksChangeTogetherAndResultsStayRight) {
  constexpr int kSize = 4;
  constexpr std::size_t kCount = 20'000;
  Ranks ranks(kSize, GetParam());
  std::mutex mutex;
  std::vector<std::vector<std::string>> chosen(kSize);
  ranks.Run([&](int rank, ecclComm_t comm) {
    std::vector<std::string> mine;
    for (int call = 0; call < 40; ++call) {
      std::vector<float> values = Values(rank, kCount);
      Expect(ecclAllReduce(values.data(), values.data(), kCount, ecclFloat32, ecclSum, comm));
      for (std::size_t i = 0; i < kCount; i += 977) {
        float sum = 0;
        for (int r = 0; r < kSize; ++r) sum += Values(r, i + 1)[i];
        ASSERT_NEAR(values[i], sum, 1e-6 * kSize);
      }
      ecclOpInfo_t info;
      Expect(ecclCommGetLastOp(comm, &info));
      mine.push_back(std::string(info.algorithm) + " " + info.reason);
    }
    std::vector<float> parts(kCount);
    Expect(ecclReduceScatter(parts.data(), parts.data() + rank * kCount / kSize, kCount / kSize,
                             ecclFloat32, ecclSum, comm));
    const std::lock_guard lock(mutex);
    chosen[static_cast<std::size_t>(rank)] = std::move(mine);
  });
  for (const auto& other : chosen) EXPECT_EQ(other, chosen[0]);
  EXPECT_TRUE(chosen[0].front().ends_with(" size")) << chosen[0].front();
  EXPECT_TRUE(chosen[0].back().ends_with(" measured")) << chosen[0].back();
}

TEST_P(Tuned, ExactModeGivesTheSameBitsInEveryCall) {
  setenv("ECCL_EXACT", "1", 1);
  Ranks ranks(3, GetParam());
  unsetenv("ECCL_EXACT");
  ranks.Run([](int rank, ecclComm_t comm) {
    constexpr std::size_t kCount = 20'000;
    std::vector<float> first;
    for (int call = 0; call < 30; ++call) {
      std::vector<float> values = Values(rank, kCount);
      Expect(ecclAllReduce(values.data(), values.data(), kCount, ecclFloat32, ecclSum, comm));
      ecclOpInfo_t info;
      Expect(ecclCommGetLastOp(comm, &info));
      EXPECT_STREQ(info.reason, "exact");
      if (call == 0) first = values;
      ASSERT_TRUE(values == first) << call;
    }
  });
}

TEST(TunedJoin, RanksThatWouldChooseDifferentlyAreRefused) {
  ecclUniqueId id;
  ASSERT_EQ(ecclGetUniqueId(&id), ecclSuccess);
  const auto join = [&](int rank, ecclResult_t* result, std::string* why) {
    ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
    config.exact = rank;
    ecclComm_t comm = nullptr;
    *result = ecclCommInitRankConfig(&comm, 2, id, rank, &config);
    *why = ecclGetLastError(nullptr);
  };
  ecclResult_t results[2];
  std::string why[2];
  std::thread other(join, 1, &results[1], &why[1]);
  join(0, &results[0], &why[0]);
  other.join();
  for (int rank = 0; rank < 2; ++rank) {
    EXPECT_EQ(results[rank], ecclInvalidArgument);
    EXPECT_NE(why[rank].find("ECCL_EXACT=0, rank 1 "), std::string::npos) << why[rank];
    EXPECT_NE(why[rank].find("ECCL_EXACT=1; every rank needs the same"), std::string::npos)
        << why[rank];
  }
}

TEST_P(Tuned, TheStatusTellsWhatTrialsFound) {
  Ranks ranks(2, GetParam());
  ranks.Run([](int, ecclComm_t comm) {
    std::vector<float> values(20'000);
    for (int call = 0; call < 20; ++call) {
      Expect(
          ecclAllReduce(values.data(), values.data(), values.size(), ecclFloat32, ecclSum, comm));
    }
  });
  std::vector<std::string> problems;
  const auto answers = AskStatus(getpid(), &problems);
  ASSERT_TRUE(answers.ok()) << answers.status().message();
  const base::Json answer = base::Json::parse(answers->at(0));
  ASSERT_EQ(answer["communicators"].size(), 2u);
  for (const base::Json& one : answer["communicators"]) {
    ASSERT_EQ(one["tuned"].size(), 1u);
    const base::Json& decision = one["tuned"][0];
    EXPECT_EQ(decision["operation"], "allreduce");
    EXPECT_EQ(decision["least_bytes"], 65'536);
    EXPECT_GE(decision["measured_ns"].size(), 2u);
    EXPECT_GT(decision["measured_ns"][std::string(decision["algorithm"])], 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Transports, Tuned, ::testing::Values("shm", "tcp"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace regatta::eccl

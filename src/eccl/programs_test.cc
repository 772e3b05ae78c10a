// Every program, for many numbers of ranks, run on symbols by the simulator; and programs that are
// wrong on purpose, so that the simulator is known to see it.

#include "eccl/programs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "eccl/simulator.h"

namespace regatta::eccl {
namespace {

using testing::HasSubstr;

struct Named {
  const char* name;
  OpKind kind;
  std::function<Program(int rank, int size, int root)> make;
};

const Named kPrograms[] = {
    {"RingAllReduce", OpKind::kAllReduce, [](int r, int n, int) { return RingAllReduce(r, n); }},
    {"DirectAllReduce", OpKind::kAllReduce,
     [](int r, int n, int) { return DirectAllReduce(r, n); }},
    {"DoublingAllReduce", OpKind::kAllReduce,
     [](int r, int n, int) { return DoublingAllReduce(r, n); }},
    {"HalvingAllReduce", OpKind::kAllReduce,
     [](int r, int n, int) { return HalvingAllReduce(r, n); }},
    {"TreeAllReduce", OpKind::kAllReduce, [](int r, int n, int) { return TreeAllReduce(r, n); }},
    {"DoubleTreeAllReduce", OpKind::kAllReduce,
     [](int r, int n, int) { return DoubleTreeAllReduce(r, n); }},
    {"RingReduceScatter", OpKind::kReduceScatter,
     [](int r, int n, int) { return RingReduceScatter(r, n); }},
    {"DirectReduceScatter", OpKind::kReduceScatter,
     [](int r, int n, int) { return DirectReduceScatter(r, n); }},
    {"RingAllGather", OpKind::kAllGather, [](int r, int n, int) { return RingAllGather(r, n); }},
    {"DirectAllGather", OpKind::kAllGather,
     [](int r, int n, int) { return DirectAllGather(r, n); }},
    {"PairwiseAllToAll", OpKind::kAllToAll,
     [](int r, int n, int) { return PairwiseAllToAll(r, n); }},
    {"BinomialBroadcast", OpKind::kBroadcast, BinomialBroadcast},
    {"ChainBroadcast", OpKind::kBroadcast, ChainBroadcast},
    {"BinomialReduce", OpKind::kReduce, BinomialReduce},
    {"DirectGather", OpKind::kGather, DirectGather},
    {"DirectScatter", OpKind::kScatter, DirectScatter},
    {"DisseminationBarrier", OpKind::kBarrier,
     [](int r, int n, int) { return DisseminationBarrier(r, n); }},
};

std::vector<Program> MakeAll(const Named& named, int size, int root) {
  std::vector<Program> programs;
  for (int rank = 0; rank < size; ++rank) programs.push_back(named.make(rank, size, root));
  return programs;
}

class Programs : public testing::TestWithParam<Named> {};

TEST_P(Programs, GiveEveryRankEachShareOnceForAnyNumberOfRanksAndAnyRoot) {
  for (const int size : {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 64}) {
    for (const int root : {0, size / 2, size - 1}) {
      const base::Status status = Simulate(GetParam().kind, root, MakeAll(GetParam(), size, root));
      EXPECT_TRUE(status.ok()) << size << " ranks, root " << root << ": " << status.message();
    }
  }
}

TEST_P(Programs, DoSoWithAThousandAndTwentyFourRanks) {
  const base::Status status = Simulate(GetParam().kind, 1000, MakeAll(GetParam(), 1024, 1000));
  EXPECT_TRUE(status.ok()) << status.message();
}

INSTANTIATE_TEST_SUITE_P(All, Programs, testing::ValuesIn(kPrograms),
                         [](const auto& test) { return std::string(test.param.name); });

std::vector<Program> Hierarchical(const std::vector<std::vector<int>>& hosts) {
  std::vector<Program> programs(hosts.size() * hosts[0].size());
  for (const auto& host : hosts) {
    for (const int rank : host) {
      programs[static_cast<std::size_t>(rank)] = HierarchicalAllReduce(rank, hosts);
    }
  }
  return programs;
}

TEST(HierarchicalAllReduce, WorksForHostsOfAnyWidthAndRanksInAnyOrder) {
  for (const auto& hosts : std::vector<std::vector<std::vector<int>>>{
           {{0, 1}, {2, 3}}, {{0, 2}, {1, 3}}, {{3, 1, 5}, {0, 4, 2}}, {{0}, {1}, {2}}, {{1, 0}}}) {
    const base::Status status = Simulate(OpKind::kAllReduce, 0, Hierarchical(hosts));
    EXPECT_TRUE(status.ok()) << status.message();
  }
}

// Over the network goes no more than 2 (hosts-1)/hosts of a rank's share of the data.
TEST(HierarchicalAllReduce, SendsAsLittleBetweenHostsAsARingOfHosts) {
  const Program program = HierarchicalAllReduce(0, {{0, 1, 2, 3}, {4, 5, 6, 7}});
  int away = 0;
  for (const Step& step : program.steps) away += step.send_to >= 4 ? 1 : 0;
  EXPECT_EQ(away, 2);  // of 8 parts
}

TEST(RingAllReduce, PassesDataOnWhileItArrives) {
  EXPECT_EQ(RingAllReduce(0, 3).ToString(),
            "0: send input 2 to 1\n"
            "1: receive from 2, combine with input 1, store in scratch 0, send to 1\n"
            "2: receive from 2, combine with input 0, finish, store in output 0, send to 1\n"
            "3: receive from 2, store in output 2, send to 1\n"
            "4: receive from 2, store in output 1\n");
}

TEST(Simulator, SeesRanksThatWaitForEachOther) {
  // Each wants to receive into the part that it sends only afterwards.
  std::vector<Program> programs(2);
  for (int rank = 0; rank < 2; ++rank) {
    programs[static_cast<std::size_t>(rank)].steps = {
        {.receive_from = 1 - rank,
         .combine = true,
         .source = {Place::kInput, 0},
         .target = {Place::kOutput, 0}},
        {.send_to = 1 - rank, .source = {Place::kOutput, 0}}};
  }
  EXPECT_THAT(std::string(Simulate(OpKind::kAllReduce, 0, programs).message()),
              HasSubstr("rank 0, step 0: waits for ever"));
}

TEST(Simulator, SeesAShareThatIsMissingOrThereTwice) {
  std::vector<Program> programs = {RingAllReduce(0, 3), RingAllReduce(1, 3), RingAllReduce(2, 3)};
  programs[1].steps[2].combine = false;
  EXPECT_THAT(std::string(Simulate(OpKind::kAllReduce, 0, programs).message()),
              HasSubstr("not the right ones"));
  programs[1] = RingAllReduce(1, 3);
  programs[1].steps[0].source.part = 1;
  EXPECT_FALSE(Simulate(OpKind::kAllReduce, 0, programs).ok());
}

TEST(Simulator, SeesAnAverageThatIsDividedTwice) {
  std::vector<Program> programs = {TreeAllReduce(0, 2), TreeAllReduce(1, 2)};
  for (Step& step : programs[1].steps) step.last = step.receive_from >= 0;
  EXPECT_THAT(std::string(Simulate(OpKind::kAllReduce, 0, programs).message()),
              HasSubstr("divided 2 times"));
}

TEST(Simulator, SeesASendThatNobodyReceives) {
  std::vector<Program> programs = {RingAllReduce(0, 2), RingAllReduce(1, 2)};
  programs[0].steps.push_back({.send_to = 1, .source = {Place::kInput, 0}});
  EXPECT_THAT(std::string(Simulate(OpKind::kAllReduce, 0, programs).message()),
              HasSubstr("does not receive as often"));
}

}  // namespace
}  // namespace regatta::eccl

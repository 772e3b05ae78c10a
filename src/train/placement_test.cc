#include "train/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta::train {
namespace {

TEST(Placement, RanksOfAHostAreNeighbours) {
  const auto ranks = PlaceRanks({{"a", 2}, {"b", 1}, {"c", 4}}, 5);
  ASSERT_EQ(ranks.size(), 5U);
  const char* hosts[] = {"a", "a", "b", "c", "c"};
  const int local[] = {0, 1, 0, 0, 1};
  const int local_sizes[] = {2, 2, 1, 2, 2};
  const int cross[] = {0, 0, 1, 2, 2};
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    EXPECT_EQ(ranks[i].place.host, hosts[i]);
    EXPECT_EQ(ranks[i].part.rank, static_cast<int>(i));
    EXPECT_EQ(ranks[i].part.size, 5);
    EXPECT_EQ(ranks[i].part.local_rank, local[i]);
    EXPECT_EQ(ranks[i].part.local_size, local_sizes[i]);
    EXPECT_EQ(ranks[i].part.cross_rank, cross[i]);
    EXPECT_EQ(ranks[i].part.cross_size, 3);
  }
}

TEST(Placement, HostsWithoutRanksDoNotCount) {
  const auto ranks = PlaceRanks({{"a", 4}, {"b", 4}}, 3);
  EXPECT_EQ(ranks.back().part.cross_size, 1);
  EXPECT_EQ(ranks.back().part.local_size, 3);
}

TEST(Placement, VariablesHaveBothNames) {
  EXPECT_THAT(PartVariables({.rank = 3,
                             .size = 4,
                             .local_rank = 1,
                             .local_size = 2,
                             .cross_rank = 1,
                             .cross_size = 2}),
              testing::IsSupersetOf({"HOROVOD_RANK=3", "RANK=3", "WORLD_SIZE=4",
                                     "HOROVOD_LOCAL_RANK=1", "LOCAL_WORLD_SIZE=2",
                                     "HOROVOD_CROSS_RANK=1", "HOROVOD_CROSS_SIZE=2"}));
}

}  // namespace
}  // namespace regatta::train

#include "topology/clusters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta::topology {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(FindClusters, JoinsWhatBelongsTogetherAndNumbersItInOrder) {
  const Clusters clusters = FindClusters(5, {{0, 3, 30}, {1, 4, 30}, {3, 4, -30}, {2, 0, -30}}, 20);
  EXPECT_THAT(clusters.of, ElementsAre(0, 1, 2, 0, 1));
  EXPECT_EQ(clusters.count, 3);
  EXPECT_THAT(clusters.undecided, IsEmpty());
}

TEST(FindClusters, ManyWeakTiesOutweighOneWrong) {
  // Each of 0-2 with each of 3-5: eight say together, one says apart.
  std::vector<Tie> ties = {{0, 1, 40}, {1, 2, 40}, {3, 4, 40}, {4, 5, 40}};
  for (int a = 0; a < 3; ++a) {
    for (int b = 3; b < 6; ++b) ties.push_back({a, b, a == 0 && b == 3 ? -10.0 : 4.0});
  }
  EXPECT_EQ(FindClusters(6, ties, 20).count, 1);
}

TEST(FindClusters, SaysWhichTwoThingsItCannotTell) {
  EXPECT_THAT(FindClusters(3, {{0, 1, 30}, {2, 1, 5}}, 20).undecided, ElementsAre(Pair(2, 1)));
  EXPECT_THAT(FindClusters(3, {{0, 1, 30}, {2, 1, -5}}, 20).undecided, ElementsAre(Pair(2, 1)));
}

}  // namespace
}  // namespace regatta::topology

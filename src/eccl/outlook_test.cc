#include "eccl/outlook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace regatta::eccl {
namespace {

using testing::HasSubstr;

constexpr std::size_t kMiB = 1u << 20;

Wiring TwoHosts() {
  return {{{0, 1, 2, 3}, {4, 5, 6, 7}}, {1e-6, 1e-10}, {.latency = 30e-6, .per_byte = 8e-9}};
}

TEST(Outlook, FindsTheDefaultOfALargeAllReduceTheFastest) {
  const auto outlooks = OutlookOf(OpKind::kAllReduce, 64 * kMiB, TwoHosts());
  ASSERT_TRUE(outlooks.ok()) << outlooks.status().message();
  const auto fastest = std::min_element(
      outlooks->begin(), outlooks->end(),
      [](const Outlook& a, const Outlook& b) { return a.timing.seconds < b.timing.seconds; });
  EXPECT_TRUE(fastest->by_default) << fastest->algorithm;
  EXPECT_TRUE(fastest->worth_a_trial) << fastest->algorithm;
  EXPECT_EQ(std::count_if(outlooks->begin(), outlooks->end(),
                          [](const Outlook& one) { return one.by_default; }),
            1);
}

TEST(Outlook, NamesTheOnlyWayOfACallWithoutAChoice) {
  const auto outlooks = OutlookOf(OpKind::kAllToAll, kMiB, TwoHosts());
  ASSERT_TRUE(outlooks.ok()) << outlooks.status().message();
  ASSERT_EQ(outlooks->size(), 1u);
  EXPECT_EQ(outlooks->front().algorithm, "pairwise");
  EXPECT_TRUE(outlooks->front().by_default);
  EXPECT_LT(outlooks->front().predicted, 0) << "no model";
}

TEST(Outlook, SaysWhichAlgorithmsThereAre) {
  const auto outlooks = OutlookOf(OpKind::kReduceScatter, kMiB, TwoHosts(), "tree");
  ASSERT_FALSE(outlooks.ok());
  EXPECT_THAT(std::string(outlooks.status().message()),
              HasSubstr("has no algorithm \"tree\" on these hosts; there is"));
}

TEST(Outlook, PrintsTheStepsOfARank) {
  const auto text = ProgramText(OpKind::kAllReduce, "ring", 3, TwoHosts());
  ASSERT_TRUE(text.ok()) << text.status().message();
  EXPECT_THAT(*text, HasSubstr("send input 2 to 4"));
  EXPECT_FALSE(ProgramText(OpKind::kAllReduce, "ring", 8, TwoHosts()).ok());
}

}  // namespace
}  // namespace regatta::eccl

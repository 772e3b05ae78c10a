#include "base/suggest.h"

#include <gtest/gtest.h>

#include <vector>

namespace regatta::base {
namespace {

const std::vector<std::string> kSteps = {"prepare", "train", "evaluate"};

TEST(Suggest, FindsTypingErrorsAndUnfinishedWords) {
  EXPECT_EQ(Nearest("prep", kSteps), "prepare");
  EXPECT_EQ(Nearest("trian", kSteps), "train");
  EXPECT_EQ(Nearest("evalutae", kSteps), "evaluate");
  EXPECT_EQ(DidYouMean("trai", kSteps), " (did you mean \"train\"?)");
}

TEST(Suggest, StaysSilentWhenNothingIsNear) {
  EXPECT_EQ(Nearest("xyz", kSteps), "");
  EXPECT_EQ(DidYouMean("", kSteps), "");
  EXPECT_EQ(Nearest(std::string(5000, 'a'), kSteps), "");
}

}  // namespace
}  // namespace regatta::base

#include "train/frames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta::train {
namespace {

TEST(Frames, ComeOutAsTheyWentInWhateverTheCuts) {
  const std::string stream = "Welcome to node1!" + std::string(kAgentGreeting) +
                             EncodeFrame(FrameKind::kHello, JoinFields({"1", "node1", "42"})) +
                             EncodeFrame(FrameKind::kPong, "") +
                             EncodeFrame(FrameKind::kOutput, std::string("\0\xff\n", 3));
  for (std::size_t cut = 1; cut < stream.size(); ++cut) {
    FrameReader reader(kAgentGreeting);
    std::vector<Frame> frames;
    for (std::size_t at = 0; at < stream.size(); at += cut) {
      reader.Feed(std::string_view(stream).substr(at, cut));
      while (true) {
        auto frame = reader.Next();
        ASSERT_TRUE(frame.ok());
        if (!frame->has_value()) break;
        frames.push_back(**frame);
      }
    }
    EXPECT_THAT(frames,
                testing::ElementsAre(Frame{FrameKind::kHello, std::string("1\0node1\0"
                                                                          "42\0",
                                                                          11)},
                                     Frame{FrameKind::kPong, ""},
                                     Frame{FrameKind::kOutput, std::string("\0\xff\n", 3)}));
  }
}

TEST(Frames, AStreamThatIsNoneIsRefused) {
  FrameReader no_length;
  no_length.Feed(std::string_view("\0\0\0\0", 4));
  EXPECT_EQ(no_length.Next().status().code(), base::Code::kDataLoss);
  FrameReader too_long;
  too_long.Feed("GET / HTTP/1.1");
  EXPECT_EQ(too_long.Next().status().code(), base::Code::kDataLoss);
  FrameReader chatter(kAgentGreeting);
  chatter.Feed(std::string(70'000, 'x'));
  EXPECT_EQ(chatter.Next().status().code(), base::Code::kDataLoss);
}

TEST(Frames, FieldsAreSplitAsTheyWereJoined) {
  const std::vector<std::string> fields = {"", "a b", "", "\xff"};
  EXPECT_EQ(*SplitFields(JoinFields(fields)), fields);
  EXPECT_TRUE(SplitFields("")->empty());
  EXPECT_FALSE(SplitFields("open").ok());
}

}  // namespace
}  // namespace regatta::train

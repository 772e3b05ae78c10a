#include "net/http.h"

#include <gtest/gtest.h>

namespace regatta::net {
namespace {

TEST(PercentDecode, DecodesAndRefusesBrokenEscapes) {
  EXPECT_EQ(PercentDecode("a%20b+c", true), "a b c");
  EXPECT_EQ(PercentDecode("a+b", false), "a+b");
  EXPECT_EQ(PercentDecode("%E7%BD%91", false), "\xE7\xBD\x91");
  for (const char* broken : {"%", "%4", "%zz", "%00", "a%-1"}) {
    EXPECT_EQ(PercentDecode(broken, false), std::nullopt) << broken;
  }
  EXPECT_EQ(PercentDecode(PercentEncode("a/b c\xff?"), false), "a/b c\xff?");
}

TEST(Request, FindsOneCookieAmongSeveral) {
  Request request;
  request.headers["cookie"] = "a=1; regatta_session=x=y; b=2";
  EXPECT_EQ(request.Cookie("regatta_session"), "x=y");
  EXPECT_EQ(request.Cookie("b"), "2");
  EXPECT_EQ(request.Cookie("session"), "");
}

TEST(FormatEvent, KeepsEveryKindOfLineBreakInsideTheData) {
  EXPECT_EQ(FormatEvent("7", "log", "a\nb\r\nc\rd"),
            "id: 7\nevent: log\ndata: a\ndata: b\ndata: c\ndata: d\n\n");
  EXPECT_EQ(FormatEvent("", "n", ""), "event: n\ndata: \n\n");
}

TEST(HttpDate, FollowsRfc9110) {
  EXPECT_EQ(FormatHttpDate(784'111'777'000'000), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(MatchesEtag, ComparesWeaklyInLists) {
  EXPECT_TRUE(MatchesEtag("\"a\"", "\"a\""));
  EXPECT_TRUE(MatchesEtag("\"x\", W/\"a\"", "\"a\""));
  EXPECT_TRUE(MatchesEtag("*", "\"a\""));
  EXPECT_FALSE(MatchesEtag("", "\"a\""));
  EXPECT_FALSE(MatchesEtag("\"b\",,", "\"a\""));
}

TEST(AcceptsEncoding, KnowsWeightsAndTheStar) {
  EXPECT_TRUE(AcceptsEncoding("gzip, deflate, br", "gzip"));
  EXPECT_TRUE(AcceptsEncoding("br;q=1.0, GZIP;q=0.5", "gzip"));
  EXPECT_TRUE(AcceptsEncoding("*", "gzip"));
  EXPECT_FALSE(AcceptsEncoding("", "gzip"));
  EXPECT_FALSE(AcceptsEncoding("gzip;q=0, *", "gzip"));
  EXPECT_FALSE(AcceptsEncoding("*;q=0.0", "gzip"));
  EXPECT_FALSE(AcceptsEncoding("xgzip", "gzip"));
}

TEST(EventParser, GivesWholeEventsHoweverTheBytesAreCut) {
  const std::string text = ": hello\n\n" + FormatEvent("7", "run", "{\"a\":1}") +
                           FormatEvent("8", "log", "two\nlines") + "data: crlf\r\n\r\n";
  for (std::size_t step = 1; step < 20; ++step) {
    EventParser parser;
    std::vector<ServerEvent> events;
    for (std::size_t at = 0; at < text.size(); at += step) {
      parser.Feed(text.substr(at, step), [&](const ServerEvent& event) {
        events.push_back(event);
        return true;
      });
    }
    ASSERT_EQ(events.size(), 3u) << step;
    EXPECT_EQ(events[0].id, "7");
    EXPECT_EQ(events[0].type, "run");
    EXPECT_EQ(events[0].data, "{\"a\":1}");
    EXPECT_EQ(events[1].data, "two\nlines");
    EXPECT_EQ(events[2].type, "message");
    EXPECT_EQ(events[2].id, "8") << "an id holds until the next one";
  }
}

}  // namespace
}  // namespace regatta::net

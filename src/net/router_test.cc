#include "net/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regatta::net {
namespace {

Handler Say(const char* text) {
  return [text](const Request&) { return TextResponse(200, text); };
}

TEST(Router, FindsPatternsAndDecodesParameters) {
  Router router;
  router.Add("GET", "/runs/{id}/steps/{step}", Say("step"), {.body_limit = 5});
  const Router::Match match = router.Find("GET", "/runs/a%20b/steps/c%2Fd");
  ASSERT_NE(match.handler, nullptr);
  EXPECT_EQ(match.params.at("id"), "a b");
  EXPECT_EQ(match.params.at("step"), "c/d");
  EXPECT_EQ(match.body_limit, 5u);
  EXPECT_EQ(router.Find("GET", "/runs//steps/x").handler, nullptr);
  EXPECT_EQ(router.Find("GET", "/runs/a/steps").handler, nullptr);
  EXPECT_EQ(router.Find("GET", "/runs/%zz/steps/x").handler, nullptr);
}

TEST(Router, NamesTheMethodsThatAPathTakes) {
  Router router;
  router.Add("POST", "/runs", Say("create"));
  router.Add("GET", "/runs", Say("list"));
  EXPECT_THAT(router.Find("PUT", "/runs").allowed, testing::ElementsAre("GET", "HEAD", "POST"));
  EXPECT_NE(router.Find("HEAD", "/runs").handler, nullptr);
}

TEST(Router, UsesTheFallbackForPagesOnly) {
  Router router;
  router.Add("POST", "/runs", Say("create"));
  router.AddFallback(Say("page"));
  EXPECT_NE(router.Find("GET", "/anything").handler, nullptr);
  EXPECT_EQ(router.Find("POST", "/anything").handler, nullptr);
  EXPECT_EQ(router.Find("GET", "/runs").handler, nullptr) << "the path exists, for POST";
}

std::optional<int> StatusOf(const std::optional<Response>& response) {
  if (!response) return std::nullopt;
  return response->status;
}

TEST(CheckHost, AllowsLoopbackAndConfiguredNamesOnly) {
  const Router::Check check = CheckHost({"regatta.example"}, TextResponse);
  const auto ask = [&](const char* host) {
    Request request;
    request.headers["host"] = host;
    return StatusOf(check(request));
  };
  for (const char* host :
       {"localhost", "localhost:80", "127.0.0.1:1", "[::1]:8470", "regatta.example:443"}) {
    EXPECT_EQ(ask(host), std::nullopt) << host;
  }
  for (const char* host : {"evil.example", "127.0.0.1.evil.example", "", "localhost.evil"}) {
    EXPECT_EQ(ask(host), 421) << host;
  }
}

TEST(CheckOrigin, RefusesChangesFromOtherSites) {
  const Router::Check check = CheckOrigin(TextResponse);
  const auto ask = [&](const char* method, const char* origin) {
    Request request{.method = method};
    request.headers["host"] = "localhost:8470";
    if (*origin != '\0') request.headers["origin"] = origin;
    return StatusOf(check(request));
  };
  EXPECT_EQ(ask("POST", ""), std::nullopt);
  EXPECT_EQ(ask("POST", "http://localhost:8470"), std::nullopt);
  EXPECT_EQ(ask("GET", "http://evil.example"), std::nullopt);
  EXPECT_EQ(ask("POST", "http://evil.example"), 403);
  EXPECT_EQ(ask("DELETE", "null"), 403);
}

}  // namespace
}  // namespace regatta::net

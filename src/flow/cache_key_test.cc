#include "flow/cache_key.h"

#include <gmock/gmock.h>

namespace regatta::flow {
namespace {

KeyInputs Example() {
  KeyInputs inputs;
  inputs.pipeline = "digits";
  inputs.node = "train";
  inputs.command = R"(["sh","-c","python3 train.py"])";
  inputs.parameters = {{"lr", 0.1}};
  inputs.inputs["data"] = {{"/a/b", "file", "sha256:11", 4}};
  inputs.outputs = {"model"};
  return inputs;
}

// The bytes of docs/formats/cache-key.md: when this fails, either undo the change or raise
// kCacheKeyVersion.
TEST(CacheKey, HasTheDocumentedBytes) {
  EXPECT_EQ(EncodeKeyParts({{"a", "", "xy"}}),
            std::string("regatta-cache-key-1\n") + std::string("\1\0\0\0\0\0\0\0a", 9) +
                std::string("\0\0\0\0\0\0\0\0", 8) + std::string("\2\0\0\0\0\0\0\0xy", 10));
  EXPECT_EQ(CacheKey(CacheKeyParts(Example())).substr(0, 2), "1:");
}

TEST(CacheKey, DependsOnDigestsAndNotOnPaths) {
  KeyInputs moved = Example();
  moved.inputs["data"][0].path = "/elsewhere";
  EXPECT_EQ(CacheKey(CacheKeyParts(moved)), CacheKey(CacheKeyParts(Example())));
  moved.inputs["data"][0].digest = "sha256:22";
  EXPECT_NE(CacheKey(CacheKeyParts(moved)), CacheKey(CacheKeyParts(Example())));
}

TEST(CacheKey, TellsAdjacentPartsApart) {
  EXPECT_NE(CacheKey({{"env", "A", "1"}, {"env", "B", "2"}}),
            CacheKey({{"env", "A", "1env"}, {"", "B", "2"}}));
  EXPECT_NE(CacheKey({{"env", "AB", ""}}), CacheKey({{"env", "A", "B"}}));
}

TEST(CacheKey, KeepsTheTypeOfAParameter) {
  KeyInputs text = Example();
  text.parameters["lr"] = "0.1";
  EXPECT_NE(CacheKey(CacheKeyParts(text)), CacheKey(CacheKeyParts(Example())));
}

TEST(ExplainDifference, NamesEachPartThatDiffers) {
  const std::vector<ShownPart> before = {
      {"parameter lr", "0.1"}, {"code train.py", "sha256:1"}, {"env OLD", "1"}};
  const std::vector<ShownPart> now = {
      {"parameter lr", "0.05"}, {"code train.py", "sha256:2"}, {"input data", "sha256:3"}};
  EXPECT_EQ(ExplainDifference(before, now, {}),
            "parameter lr changed from 0.1 to 0.05; code train.py changed; input data is new; env "
            "OLD is gone");
  EXPECT_EQ(ExplainDifference(now, now, {}), "");
}

TEST(IsSecretName, LooksForTheUsualWords) {
  for (const char* name : {"API_KEY", "my_token", "DB_PASSWORD", "ClientSecret"}) {
    EXPECT_TRUE(IsSecretName(name)) << name;
  }
  EXPECT_FALSE(IsSecretName("LEARNING_RATE"));
}

}  // namespace
}  // namespace regatta::flow

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "flow/parse.h"

namespace regatta::flow {
namespace {

struct Block {
  std::string language;  // what stands behind the three backquotes
  std::string text;
  int line = 0;
};

std::vector<Block> Blocks(const std::string& path) {
  std::ifstream file(path);
  std::vector<Block> blocks;
  std::string line;
  bool inside = false;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.starts_with("```")) {
      if (!inside) blocks.push_back({line.substr(3), "", number});
      inside = !inside;
    } else if (inside) {
      blocks.back().text += line + "\n";
    }
  }
  return blocks;
}

// A block marked `yaml` is a whole pipeline, or steps to put under entry_points. One marked
// `yaml refused` is followed by a block with all of its problems.
TEST(Guide, EveryExampleIsWhatItSays) {
  const std::vector<Block> blocks = Blocks(REGATTA_SOURCE_DIR "/docs/guide/pipelines.md");
  int good = 0;
  int refused = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const Block& block = blocks[i];
    SCOPED_TRACE("docs/guide/pipelines.md:" + std::to_string(block.line));
    if (!block.language.starts_with("yaml")) continue;
    std::vector<Problem> problems;
    const auto pipeline = ParsePipeline(block.text, {}, &problems);
    std::string found;
    for (const Problem& problem : problems) found += problem.ToString() + "\n";
    if (block.language == "yaml") {
      EXPECT_EQ(found, "");
      ++good;
    } else {
      ASSERT_EQ(block.language, "yaml refused");
      ASSERT_LT(i + 1, blocks.size());
      EXPECT_EQ(found, blocks[i + 1].text);
      ++refused;
    }
  }
  EXPECT_GE(good, 5);
  EXPECT_GE(refused, 1);
}

}  // namespace
}  // namespace regatta::flow

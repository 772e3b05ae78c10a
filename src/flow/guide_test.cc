#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "flow/parse.h"
#include "flow/testing/engine_bench.h"

namespace regatta::flow {
namespace {

using testing::EngineTest;
using ::testing::HasSubstr;

// A block of docs/guide/pipelines.md. What stands behind its three backquotes says what it is:
//   yaml [-p KEY=VALUE]...  a pipeline, which is run; also json
//   yaml refused            one that is not; a block with all of its problems follows
//   text log STEP           all that a step of the pipeline before it prints
//   text states             its steps with their states
//   text message            it fails, and its message has this in it
//   LANGUAGE FILE           a file beside the pipelines
struct Block {
  std::vector<std::string> info;
  std::string text;
  int line = 0;

  std::string Info(std::size_t i) const { return i < info.size() ? info[i] : ""; }
};

std::vector<Block> Blocks() {
  std::ifstream file(REGATTA_SOURCE_DIR "/docs/guide/pipelines.md");
  std::vector<Block> blocks;
  std::string line;
  bool inside = false;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.starts_with("```")) {
      if (!inside) {
        Block block;
        std::istringstream words(line.substr(3));
        for (std::string word; words >> word;) block.info.push_back(word);
        block.line = number;
        blocks.push_back(std::move(block));
      }
      inside = !inside;
    } else if (inside) {
      blocks.back().text += line + "\n";
    }
  }
  return blocks;
}

TEST(Guide, TellsAllProblemsOfWhatIsRefused) {
  const std::vector<Block> blocks = Blocks();
  int refused = 0;
  for (std::size_t i = 0; i + 1 < blocks.size(); ++i) {
    if (blocks[i].Info(1) != "refused") continue;
    SCOPED_TRACE("docs/guide/pipelines.md:" + std::to_string(blocks[i].line));
    std::vector<Problem> problems;
    EXPECT_FALSE(ParsePipeline(blocks[i].text, {}, &problems).ok());
    std::string found;
    for (const Problem& problem : problems) found += problem.ToString() + "\n";
    EXPECT_EQ(found, blocks[i + 1].text);
    ++refused;
  }
  EXPECT_GE(refused, 1);
}

class GuideRun : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    local_ = true;
    file_systems_ = {{"projects", folder_ + "/pipeline"}, {"datasets", folder_ + "/pipeline"}};
    Open();
  }

  RunDetail RunBlock(const Block& block) {
    RunRequest request = Request(block.text);
    for (std::size_t i = 1; i + 1 < block.info.size(); i += 2) {
      EXPECT_EQ(block.info[i], "-p");
      const std::string& pair = block.info[i + 1];
      const std::string value = pair.substr(pair.find('=') + 1);
      auto json = base::ParseJson(value);
      request.parameters[pair.substr(0, pair.find('='))] = json.ok() ? *json : base::Json(value);
    }
    const std::string id = Create(request);
    return id.empty() ? RunDetail() : WaitForEnd(id);
  }

  std::string LogOf(const std::string& run_id, const std::string& step) {
    const auto log = engine_->GetLog(run_id, Step(run_id, step).id, 0, 0, 1 << 20);
    EXPECT_TRUE(log.ok()) << log.status();
    return log.ok() ? log->bytes : "";
  }

  std::string StateLines(const std::string& run_id) {
    std::string lines;
    for (const auto& [name, step] : Steps(run_id)) {
      lines += name + " " + StateName(step.state) + "\n";
    }
    return lines;
  }
};

TEST_F(GuideRun, EveryPipelineDoesWhatThePageSays) {
  const std::vector<Block> blocks = Blocks();
  int runs = 0;
  int checks = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const Block& block = blocks[i];
    SCOPED_TRACE("docs/guide/pipelines.md:" + std::to_string(block.line));
    const bool pipeline = block.Info(0) == "yaml" || block.Info(0) == "json";
    if (!pipeline || block.Info(1) == "refused") {
      const std::string file = block.Info(1);
      if (file.find_first_of("./") == std::string::npos) continue;
      std::filesystem::create_directories(
          std::filesystem::path(folder_ + "/pipeline/" + file).parent_path());
      WriteFile(file, block.text);
      continue;
    }
    const RunDetail run = RunBlock(block);
    ASSERT_FALSE(run.id.empty());
    ++runs;
    bool fails = false;
    for (std::size_t k = i + 1; k < blocks.size() && blocks[k].Info(0) == "text"; ++k) {
      const Block& said = blocks[k];
      SCOPED_TRACE("docs/guide/pipelines.md:" + std::to_string(said.line));
      ++checks;
      if (said.Info(1) == "log") {
        EXPECT_EQ(LogOf(run.id, said.Info(2)), said.text);
      } else if (said.Info(1) == "states") {
        EXPECT_EQ(StateLines(run.id), said.text);
      } else if (said.Info(1) == "message") {
        fails = true;
        EXPECT_THAT(run.message, HasSubstr(said.text.substr(0, said.text.size() - 1)));
      } else {
        break;  // a file
      }
    }
    EXPECT_EQ(run.state, fails ? RunState::kFailed : RunState::kSucceeded) << run.message;
  }
  EXPECT_GE(runs, 12);
  EXPECT_GE(checks, runs);
}

}  // namespace
}  // namespace regatta::flow

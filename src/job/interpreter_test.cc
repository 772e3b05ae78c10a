#include "job/interpreter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "job/test_support.h"

namespace regatta::job {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class InterpreterTest : public ::testing::Test {
 protected:
  // A program at <folder>/<name> that runs `script`.
  std::string MakeProgram(const std::string& name, const std::string& script) {
    const std::string path = folder_ / name;
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    chmod(path.c_str(), 0755);
    return path;
  }
  void TearDown() override { unsetenv("REGATTA_PYTHON"); }
  TemporaryFolder folder_;
};

TEST_F(InterpreterTest, PassesOverWhatCannotImportAndSaysWhy) {
  const std::string broken = MakeProgram("broken", "echo it is broken >&2; exit 1");
  setenv("REGATTA_PYTHON", broken.c_str(), 1);
  const auto python = FindInterpreter({"json"}, folder_.path());
  ASSERT_TRUE(python.ok()) << python.status();
  EXPECT_NE(python->path, broken);
  EXPECT_THAT(python->why, HasSubstr("first that can import json"));
  EXPECT_THAT(python->why, HasSubstr("passed over " + broken));
  EXPECT_THAT(python->why, HasSubstr("it is broken"));
  EXPECT_EQ(python->packages_digest.size(), 64u);
  EXPECT_THAT(python->version, HasSubstr("3."));
}

TEST_F(InterpreterTest, FindsAPythonWithoutWishesOrAFolder) {
  const auto python = FindInterpreter({}, "");
  ASSERT_TRUE(python.ok()) << python.status();
  EXPECT_THAT(python->version, HasSubstr("3."));
}

TEST_F(InterpreterTest, ListsEveryCandidateWhenNoneWillDo) {
  const auto python = FindInterpreter({"no_such_module_at_all"}, folder_.path());
  EXPECT_EQ(python.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(python.status().message()), HasSubstr("/usr/bin/python3"));
  EXPECT_THAT(std::string(python.status().message()), HasSubstr("no module no_such_module_at_all"));
}

TEST_F(InterpreterTest, AnEmptyFolderIsNoModule) {
  fs::create_directory(folder_ / "hollow");
  const auto python = FindInterpreter({"hollow"}, folder_.path());
  EXPECT_THAT(std::string(python.status().message()), HasSubstr("hollow is a folder without code"));
}

TEST_F(InterpreterTest, PrefersTheVirtualEnvironmentAboveTheWorkingDirectory) {
  MakeProgram(".venv/bin/python3", "exec /usr/bin/python3 \"$@\"");
  fs::create_directories(folder_ / "a/b");
  const auto python = FindInterpreter({"sys", "json"}, folder_ / "a/b");
  ASSERT_TRUE(python.ok()) << python.status();
  EXPECT_THAT(python->why, HasSubstr(".venv of " + folder_.path()));
}

TEST_F(InterpreterTest, AsksOnceWhenManyAskAtTheSameTime) {
  const std::string counting = MakeProgram(
      "counting", "echo asked >> " + (folder_ / "asked") + "; exec /usr/bin/python3 \"$@\"");
  setenv("REGATTA_PYTHON", counting.c_str(), 1);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([this] { EXPECT_TRUE(FindInterpreter({"os"}, folder_.path()).ok()); });
    }
  }
  EXPECT_EQ(Slurp(folder_ / "asked"), "asked\n");
}

}  // namespace
}  // namespace regatta::job

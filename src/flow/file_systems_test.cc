#include "flow/file_systems.h"

#include <gmock/gmock.h>

#include "flow/testing/engine_bench.h"

namespace regatta::flow {
namespace {

using ::testing::ElementsAre;
using testing::EngineTest;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(FileSystemFolders, AreReadFromOneSetting) {
  EXPECT_THAT(*ParseFileSystemFolders("data=/mnt/data, out = /srv/out ,"),
              ElementsAre(Pair("data", "/mnt/data"), Pair("out", "/srv/out")));
  EXPECT_TRUE(ParseFileSystemFolders("")->empty());
  for (const char* wrong : {"data", "data=mnt", "=/mnt", "data="}) {
    EXPECT_THAT(std::string(ParseFileSystemFolders(wrong).status().message()),
                HasSubstr("must be a name and an absolute folder"))
        << wrong;
  }
  EXPECT_THAT(std::string(ParseFileSystemFolders("a=/x,a=/y").status().message()),
              HasSubstr("\"a\" has a folder twice"));
}

class FileSystemsTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    for (const char* name : {"/main", "/data", "/data/digits", "/more"}) {
      std::filesystem::create_directory(folder_ + name);
    }
    file_systems_ = {{"main", folder_ + "/main"}, {"data", folder_ + "/data"}};
    Open();
  }
  std::string WorkDir(const std::string& step) { return machine_.SpecOf(step).env["PF_WORK_DIR"]; }
};

TEST_F(FileSystemsTest, AStepWorksOnItsMainFileSystemAndSeesTheExtraOnes) {
  const RunDetail run = Run(R"(
name: p
fs_options:
  main_fs: {name: main, sub_path: projects/p}
  extra_fs: [{name: more}, {name: data}]
entry_points:
  a:
    command: x
    extra_fs: [{name: data, sub_path: digits, read_only: true}]
    artifacts: {output: [o]}
  b: {command: x}
)");
  ASSERT_EQ(run.state, RunState::kSucceeded) << run.message;
  const job::JobSpec a = machine_.SpecOf("a");
  EXPECT_EQ(a.working_directory, folder_ + "/main/projects/p");
  EXPECT_EQ(a.env.at("PF_WORK_DIR"), a.working_directory);
  EXPECT_TRUE(std::filesystem::is_directory(a.working_directory));
  EXPECT_EQ(a.env.at("REGATTA_FS_MAIN"), a.working_directory);
  // Its own comes before the pipeline's of the same name; a name without a folder is the run's.
  EXPECT_EQ(a.env.at("REGATTA_FS_DATA"), folder_ + "/data/digits");
  EXPECT_EQ(machine_.SpecOf("b").env.at("REGATTA_FS_DATA"), folder_ + "/data");
  EXPECT_EQ(a.env.at("REGATTA_FS_MORE"), folder_ + "/pipeline");
  EXPECT_EQ(a.env.at("PF_OUTPUT_ARTIFACT_O"), folder_ + "/state/runs/" + run.id + "/a/artifacts/o");
}

TEST_F(FileSystemsTest, WithoutAMainOneTheFirstExtraOneIsWhereAStepWorks) {
  const RunDetail run = Run(R"(
name: p
fs_options: {extra_fs: [{name: main}]}
entry_points:
  own: {command: x, extra_fs: [{name: data}]}
  all: {command: x}
  stay: {command: x, env: {PF_MOUNT_PATH: NONE}}
)");
  ASSERT_EQ(run.state, RunState::kSucceeded) << run.message;
  EXPECT_EQ(WorkDir("own"), folder_ + "/data");
  EXPECT_EQ(WorkDir("all"), folder_ + "/main");
  EXPECT_EQ(WorkDir("stay"), folder_ + "/pipeline");
  const RunDetail none = Run("name: p\nentry_points: {none: {command: x}}\n");
  ASSERT_EQ(none.state, RunState::kSucceeded);
  EXPECT_EQ(WorkDir("none"), folder_ + "/pipeline");
}

TEST_F(FileSystemsTest, WhatIsNotThereFailsTheStepBeforeItStarts) {
  const auto reason = [&](const std::string& extra) {
    RunRequest request =
        Request("name: p\nentry_points:\n  a:\n    command: ls /elsewhere/data\n    extra_fs: [" +
                extra + "]\n");
    request.source = "p.yaml";
    const RunDetail run = Run(request);
    EXPECT_EQ(run.state, RunState::kFailed);
    return Step(run.id, "a").reason;
  };
  EXPECT_EQ(
      reason("{name: data, sub_path: none}"),
      "p.yaml:5:16: a: file system \"data\": its sub_path \"none\" is not in " + folder_ + "/data");
  EXPECT_EQ(reason("{name: data, mount_path: /elsewhere}"),
            "p.yaml:5:16: a: file system \"data\": the command names its mount_path /elsewhere, "
            "which is not on this machine; use $REGATTA_FS_DATA, which is " +
                folder_ + "/data");
  std::filesystem::remove_all(folder_ + "/data");
  EXPECT_THAT(reason("{name: data}"), HasSubstr("/data is not there; is it mounted?"));
  EXPECT_TRUE(machine_.Launched().empty());
}

TEST_F(FileSystemsTest, CacheScopesAreWatchedOnTheirOwnFileSystem) {
  const std::string yaml = R"(
name: scoped
fs_options: {main_fs: {name: main}}
cache: {enable: true, fs_scope: [{name: main, path: common}]}
entry_points:
  a:
    command: x
    extra_fs: [{name: data, sub_path: digits}]
    cache: {fs_scope: [{name: data, path: "/digits, /letters"}]}
  b: {command: x}
)";
  const auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder_ + name) << text;
  };
  Run(yaml);
  EXPECT_EQ(States(Run(yaml).id), "a=succeeded(cached) b=succeeded(cached)");
  write("/data/digits/one", "1");
  EXPECT_EQ(States(Run(yaml).id), "a=succeeded b=succeeded(cached)");
  write("/data/other", "1");
  EXPECT_EQ(States(Run(yaml).id), "a=succeeded(cached) b=succeeded(cached)");
  write("/main/common", "1");
  EXPECT_EQ(States(Run(yaml).id), "a=succeeded b=succeeded");
}

TEST_F(FileSystemsTest, WhatAStepSeesIsPartOfItsCacheKey) {
  const auto yaml = [](const std::string& sub_path) {
    return "name: seen\ncache: {enable: true}\nentry_points:\n  a: {command: x, extra_fs: "
           "[{name: data, sub_path: \"" +
           sub_path + "\"}]}\n";
  };
  Run(yaml(""));
  EXPECT_EQ(Run(yaml("")).cached_steps, 1);
  const RunDetail run = Run(yaml("digits"));
  EXPECT_EQ(run.cached_steps, 0);
  EXPECT_EQ(Step(run.id, "a").reason, "file system data changed");
}

}  // namespace
}  // namespace regatta::flow

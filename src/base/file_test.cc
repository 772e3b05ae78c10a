#include "base/file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace regatta::base {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/regatta-file-XXXXXX";
    folder_ = mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(FileTest, WritesDurablyAndReadsBack) {
  const std::string path = JoinPath(folder_, "state");
  ASSERT_TRUE(WriteFileDurably(path, "old").ok());
  ASSERT_TRUE(WriteFileDurably(path, std::string("new\0bytes", 9), 0600).ok());
  EXPECT_EQ(*ReadFile(path), std::string("new\0bytes", 9));
  struct stat info{};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(FileTest, RefusesFilesOverTheLimit) {
  const std::string path = JoinPath(folder_, "big");
  ASSERT_TRUE(WriteFileDurably(path, std::string(100, 'x')).ok());
  EXPECT_TRUE(ReadFile(path, 100).ok());
  const Status status = ReadFile(path, 99).status();
  EXPECT_EQ(status.code(), Code::kOutOfRange);
  EXPECT_NE(status.message().find("99 bytes"), std::string::npos);
}

TEST_F(FileTest, NamesThePathAndTheReason) {
  const Status status = ReadFile("/nowhere/at/all").status();
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_EQ(status.message(), "cannot read /nowhere/at/all: No such file or directory");
}

TEST_F(FileTest, MakesFoldersOnceAndAgain) {
  const std::string path = JoinPath(folder_, "a/b/c");
  EXPECT_TRUE(MakeFolders(path).ok());
  EXPECT_TRUE(MakeFolders(path).ok());
  ASSERT_TRUE(WriteFileDurably(JoinPath(path, "file"), "").ok());
  EXPECT_EQ(MakeFolders(JoinPath(path, "file")).code(), Code::kFailedPrecondition);
}

TEST_F(FileTest, JoinsPaths) {
  EXPECT_EQ(JoinPath("/a/b", "c"), "/a/b/c");
  EXPECT_EQ(JoinPath("/a/b/", "c"), "/a/b/c");
  EXPECT_EQ(JoinPath("/a", "/c"), "/c");
  EXPECT_EQ(JoinPath("", "c"), "c");
}

#ifdef REGATTA_FAULTS
TEST_F(FileTest, KeepsTheOldBytesWhenKilledBeforeTheRename) {
  // The same test runs again in a child, which writes and is killed at the fault point.
  if (const char* path = std::getenv("REGATTA_TEST_WRITE"); path != nullptr) {
    EXPECT_TRUE(WriteFileDurably(path, "new").ok());
    return;
  }
  const std::string path = JoinPath(folder_, "state");
  ASSERT_TRUE(WriteFileDurably(path, "old").ok());
  const pid_t child = fork();
  if (child == 0) {
    setenv("REGATTA_FAULT", "base.write_file_durably.before_rename", 1);
    setenv("REGATTA_TEST_WRITE", path.c_str(), 1);
    execl("/proc/self/exe", "writer", "--gtest_filter=FileTest.KeepsTheOldBytes*", nullptr);
    _exit(127);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the child should have been killed at the fault point";
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_EQ(*ReadFile(path), "old");
}
#endif

}  // namespace
}  // namespace regatta::base

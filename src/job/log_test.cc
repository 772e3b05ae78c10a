#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <filesystem>

#include "job/test_support.h"

namespace regatta::job {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class LogTest : public ::testing::Test {
 protected:
  JobStatus Run(const JobSpec& spec, LocalExecutorOptions options = {}) {
    auto executor = *NewLocalExecutor(options, &sink_);
    EXPECT_TRUE(executor->Submit(spec).ok());
    return WaitForEnd(*executor, sink_, spec.id);
  }
  TemporaryFolder folder_;
  TestSink sink_;
};

constexpr char kPrint200MiB[] = "head -c 209715200 /dev/zero | tr '\\0' x";

TEST_F(LogTest, KeepsAFlood) {
  const JobSpec spec = Shell(folder_, kPrint200MiB);
  EXPECT_EQ(Run(spec).state, JobState::kSucceeded);
  const LogRange range = *ReadLog(spec.directory, 0, -10, 100);
  EXPECT_EQ(range.total, 200 << 20);
  EXPECT_EQ(range.offset, (200 << 20) - 10);
  EXPECT_EQ(range.bytes, "xxxxxxxxxx");
  int segments = 0;
  for (const auto& entry : fs::directory_iterator(spec.directory + "/logs/rank-0")) {
    EXPECT_LE(entry.file_size(), 8u << 20);
    ++segments;
  }
  EXPECT_EQ(segments, 25);
}

TEST_F(LogTest, DropsTheOldestBeyondItsCapAndSaysSo) {
  const JobSpec spec = Shell(folder_, kPrint200MiB);
  const JobStatus status = Run(spec, {.log_bytes = 24 << 20});
  EXPECT_EQ(status.state, JobState::kSucceeded);
  ASSERT_EQ(status.warnings.size(), 1u);
  EXPECT_THAT(status.warnings[0], HasSubstr("of its log were dropped"));
  const LogRange range = *ReadLog(spec.directory, 0, 0, 16);
  EXPECT_EQ(range.total, 200 << 20);
  EXPECT_EQ(range.offset, 176 << 20);  // what is gone is skipped
}

TEST_F(LogTest, ReadsAcrossSegments) {
  const std::string folder = folder_ / "logs/rank-3";
  fs::create_directories(folder);
  std::ofstream(folder + "/00000000000000000000.log") << "abcd";
  std::ofstream(folder + "/00000000000000000004.log") << "efg";
  std::ofstream(folder + "/00000000000000000020.log") << "uv";  // bytes 7 to 19 were lost
  LogRange range = *ReadLog(folder_.path(), 3, 2, 100);
  EXPECT_EQ(range.bytes, "cdefg");
  EXPECT_EQ(range.next_offset, 7);
  EXPECT_EQ(range.total, 22);
  range = *ReadLog(folder_.path(), 3, range.next_offset, 100);
  EXPECT_EQ(range.offset, 20);
  EXPECT_EQ(range.bytes, "uv");
  EXPECT_EQ(ReadLog(folder_.path(), 3, 22, 100)->bytes, "");
  EXPECT_EQ(ReadLog(folder_.path(), 3, 1, 2)->bytes, "bc");
  EXPECT_EQ(ReadLog(folder_.path(), 4, 0, 1).status().code(), absl::StatusCode::kNotFound);
}

// A replica can make files there, too.
TEST_F(LogTest, IgnoresNamesThatAreNoOffsets) {
  const std::string folder = folder_ / "logs/rank-0";
  fs::create_directories(folder);
  std::ofstream(folder + "/09223372036854775807.log") << "x";
  std::ofstream(folder + "/99999999999999999999.log") << "x";
  std::ofstream(folder + "/-0000000000000000001.log") << "x";
  std::ofstream(folder + "/rank-0-of-something-.log") << "x";
  EXPECT_EQ(ReadLog(folder_.path(), 0, 0, 1).status().code(), absl::StatusCode::kNotFound);
  std::ofstream(folder + "/00000000000000000003.log") << "abc";
  const LogRange range = *ReadLog(folder_.path(), 0, 0, 100);
  EXPECT_EQ(range.bytes, "abc");
  EXPECT_EQ(range.total, 6);
}

TEST_F(LogTest, TailGivesWholeLastLines) {
  const JobSpec spec = Shell(folder_, "printf 'one\\ntwo\\nthree\\n'; printf 'four\\n' >&2");
  Run(spec);
  EXPECT_EQ(LogTail(spec.directory, 0, 2), "three\nfour");
  EXPECT_EQ(LogTail(spec.directory, 0, 9), "one\ntwo\nthree\nfour");
  EXPECT_EQ(LogTail(spec.directory, 1, 9), "");
}

TEST_F(LogTest, AFullDiskNeitherBlocksNorFailsTheReplica) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount a small tmpfs";
  const std::string small = folder_ / "small";
  fs::create_directory(small);
  if (mount("tmpfs", small.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "cannot mount a tmpfs here";
  }
  JobSpec spec = Shell(folder_, "head -c 8388608 /dev/zero; exit 7");
  spec.directory = small + "/" + spec.id;
  const JobStatus status = Run(spec);
  EXPECT_EQ(status.replicas[0].exit_code, 7) << status.message;
  ASSERT_FALSE(status.warnings.empty());
  EXPECT_THAT(status.warnings[0], HasSubstr("bytes of its log could not be written"));
  umount2(small.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace regatta::job

// An engine that dies (SIGKILL at a named point) and one that comes after it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "job/test_support.h"

namespace regatta::job {
namespace {

using ::testing::HasSubstr;

struct Ended {
  int wait_status = 0;
  std::string output;
};

// Runs the driver with that fault point armed ("" for none).
Ended RunDriver(const std::string& fault, std::vector<std::string> args) {
  args.insert(args.begin(), REGATTA_JOB_DRIVER);
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  std::vector<std::string> env = {"REGATTA_FAULT=" + fault, "PATH=/usr/bin:/bin"};
  std::vector<char*> envp = {env[0].data(), env[1].data(), nullptr};
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  pid_t pid = 0;
  EXPECT_EQ(posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), envp.data()), 0);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  Ended ended;
  char buffer[4096];
  // The replicas have no copy of this pipe: it ends with the driver.
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    ended.output.append(buffer, got);
  close(ends[0]);
  waitpid(pid, &ended.wait_status, 0);
  return ended;
}

class CrashTest : public ::testing::TestWithParam<const char*> {
 protected:
  TemporaryFolder folder_;
  const std::string id_ = base::NewUlid();
};

TEST_P(CrashTest, TwoReplicasRunOnceEachWhateverTheEngineWasDoing) {
  const std::string script = "echo $RANK:$MASTER_PORT >> effect; sleep 0.2; exit 0";
  const Ended first = RunDriver(GetParam(), {"run", folder_.path(), id_, "2", script});
  ASSERT_TRUE(WIFSIGNALED(first.wait_status))
      << "the fault point was not reached: " << first.output;
  const Ended second = RunDriver("", {"run", folder_.path(), id_, "2", script});
  EXPECT_THAT(second.output, HasSubstr("state=2 launches=1")) << second.output;
  std::istringstream effect(Slurp(folder_ / "effect"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(effect, line);) lines.push_back(line);
  std::ranges::sort(lines);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].substr(0, 2), "0:");
  EXPECT_EQ(lines[1].substr(0, 2), "1:");
  EXPECT_EQ(lines[0].substr(2), lines[1].substr(2)) << "the ranks were given different ports";
}

INSTANTIATE_TEST_SUITE_P(
    Engine, CrashTest,
    ::testing::Values("job.submit.after_intent", "job.launch.before_replica",
                      "job.launch.before_replica:kill:2", "job.launch.after_spawn",
                      "job.launch.after_spawn:kill:2", "job.finish.before_event",
                      "job.finish.before_event:kill:2"),
    [](const auto& info) {
      std::string name = info.param;
      std::ranges::replace_if(
          name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
      return name;
    });

class ShimCrashTest : public CrashTest {};

TEST_P(ShimCrashTest, AKilledShimFailsItsReplicaAndIsNeverReplaced) {
  const std::string script = "echo ran >> effect; sleep 600";
  const Ended first = RunDriver(GetParam(), {"run", folder_.path(), id_, "1", script});
  EXPECT_THAT(first.output, HasSubstr("state=3 launches=1"));
  EXPECT_THAT(first.output, HasSubstr("was killed, so its processes were ended too"));
  const std::string effect = Slurp(folder_ / "effect");
  const Ended second = RunDriver("", {"run", folder_.path(), id_, "1", script});
  EXPECT_THAT(second.output, HasSubstr("state=3 launches=1"));
  EXPECT_EQ(Slurp(folder_ / "effect"), effect);
}

INSTANTIATE_TEST_SUITE_P(Shim, ShimCrashTest,
                         ::testing::Values("shim.after_token", "shim.after_start"),
                         [](const auto& info) {
                           return info.param == std::string("shim.after_token") ? "AfterToken"
                                                                                : "AfterStart";
                         });

TEST_F(CrashTest, AFailureThatNoEngineSawStillStopsTheOthers) {
  const std::string script = "[ $RANK = 0 ] && exit 9; exec sleep 600";
  const Ended first =
      RunDriver("job.finish.before_event", {"run", folder_.path(), id_, "2", script});
  ASSERT_TRUE(WIFSIGNALED(first.wait_status));
  const Ended second = RunDriver("", {"run", folder_.path(), id_, "2", script});
  EXPECT_THAT(second.output, HasSubstr("state=3 launches=1"));
  EXPECT_THAT(second.output, HasSubstr("failed with exit code 9"));
}

TEST_F(CrashTest, AShimKilledBeforeItsExitFileIsNoSuccess) {
  const Ended ended =
      RunDriver("shim.before_exit_file", {"run", folder_.path(), id_, "1", "exit 0"});
  EXPECT_THAT(ended.output, HasSubstr("state=3 launches=1"));
}

}  // namespace
}  // namespace regatta::job

// Replicas that are started again: policies, limits, and an engine that dies in between.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "job/job_files.h"
#include "job/test_support.h"

namespace regatta::job {
namespace {

using ::testing::HasSubstr;

class RestartTest : public ::testing::Test {
 protected:
  void SetUp() override { Start(); }
  void Start() {
    executor_.reset();
    LocalExecutorOptions options;
    options.cpus = 2;
    options.restart_delay = std::chrono::milliseconds(20);
    executor_ = *NewLocalExecutor(options, &sink_);
  }
  JobSpec Spec(const std::string& script, RestartPolicy policy, int replicas = 1) {
    JobSpec spec = Shell(folder_, script, replicas);
    spec.roles[0].restart = policy;
    return spec;
  }
  JobStatus RunToEnd(const JobSpec& spec) {
    const absl::Status status = executor_->Submit(spec);
    EXPECT_TRUE(status.ok()) << status;
    return status.ok() ? WaitForEnd(*executor_, sink_, spec.id) : JobStatus{};
  }
  std::string Log(const JobSpec& spec, int rank, int restarts) {
    auto range = ReadLog(spec.directory, rank, 0, 4096, restarts);
    return range.ok() ? range->bytes : std::string(range.status().message());
  }

  TemporaryFolder folder_;
  TestSink sink_;
  std::unique_ptr<Executor> executor_;
};

// Fails until it has run three times.
constexpr char kThirdTime[] = "echo x >> count; echo $MASTER_PORT; test $(wc -l < count) = 3";

TEST_F(RestartTest, OnFailureStartsAgainWithTheSamePortsAndALogOfItsOwn) {
  const JobSpec spec = Spec(kThirdTime, RestartPolicy::kOnFailure);
  const JobStatus status = RunToEnd(spec);
  EXPECT_EQ(status.state, JobState::kSucceeded) << status.message;
  EXPECT_EQ(status.replicas[0].restarts, 2);
  EXPECT_NE(Log(spec, 0, 0), "");
  EXPECT_EQ(Log(spec, 0, 0), Log(spec, 0, 1));
  EXPECT_EQ(Log(spec, 0, 0), Log(spec, 0, 2));
  EXPECT_THAT(Log(spec, 0, 3), HasSubstr("has no log"));
}

TEST_F(RestartTest, NeverIsNotStartedAgain) {
  const JobStatus status = RunToEnd(Spec(kThirdTime, RestartPolicy::kNever));
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_EQ(status.replicas[0].restarts, 0);
}

TEST_F(RestartTest, TheLimitCountsTheRestartsOfAllReplicas) {
  // Rank 1 fails once; then rank 0 fails until nothing is left.
  JobSpec spec = Spec(
      "if test $RANK = 1; then test -e a && touch b && exec sleep 600; touch a; exit 1; fi; "
      "until test -e b; do sleep 0.01; done; exit 1",
      RestartPolicy::kOnFailure, 2);
  spec.restart_limit = 3;
  const JobStatus status = RunToEnd(spec);
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_EQ(status.replicas[0].restarts, 2);
  EXPECT_EQ(status.replicas[1].restarts, 1);
  EXPECT_THAT(status.message, HasSubstr("the limit of 3 restarts is reached"));
}

TEST_F(RestartTest, AlwaysStartsASuccessAgain) {
  JobSpec spec = Spec("echo x >> count; exit 0", RestartPolicy::kAlways);
  spec.restart_limit = 2;
  const JobStatus status = RunToEnd(spec);
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_EQ(Slurp(folder_ / "count"), "x\nx\nx\n");
}

struct Code {
  const char* name;
  const char* script;
  int restarts;
};
class ExitCodeTest : public RestartTest, public ::testing::WithParamInterface<Code> {};
TEST_P(ExitCodeTest, From128OnIsTriedAgain) {
  JobSpec spec = Spec(GetParam().script, RestartPolicy::kExitCode);
  spec.restart_limit = 1;
  const JobStatus status = RunToEnd(spec);
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_EQ(status.replicas[0].restarts, GetParam().restarts);
}
INSTANTIATE_TEST_SUITE_P(Codes, ExitCodeTest,
                         ::testing::Values(Code{"One", "exit 1", 0}, Code{"C127", "exit 127", 0},
                                           Code{"C128", "exit 128", 1},
                                           Code{"Signal", "kill -KILL $$", 1}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(RestartTest, DecidingRanksEndTheJobAndStopTheRest) {
  JobSpec spec = Shell(folder_, "test $RANK = 0 && exit 0; exec sleep 600", 2);
  spec.deciding_ranks = {0};
  const JobStatus status = RunToEnd(spec);
  EXPECT_EQ(status.state, JobState::kSucceeded) << status.message;
  EXPECT_EQ(status.replicas[1].state, ReplicaState::kTerminated);
  EXPECT_EQ(status.replicas[1].message, "stopped because the job succeeded");
}

TEST_F(RestartTest, TheRestGoesOnWhenItIsToBeLeft) {
  JobSpec spec =
      Shell(folder_,
            "test $RANK = 0 && exit 3; until test -e go; do sleep 0.02; done; echo done > end", 2);
  spec.stop_rest = false;
  ASSERT_TRUE(executor_->Submit(spec).ok());
  ASSERT_TRUE(sink_.WaitFor([&] { return executor_->Status(spec.id)->decided.has_value(); }));
  EXPECT_EQ(executor_->Status(spec.id)->state, JobState::kRunning);
  std::ofstream(folder_ / "go") << "x";
  const JobStatus status = WaitForEnd(*executor_, sink_, spec.id);
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_EQ(status.replicas[1].state, ReplicaState::kSucceeded);
  EXPECT_EQ(Slurp(folder_ / "end"), "done\n");
}

TEST_F(RestartTest, AStopEndsAReplicaThatWaitsToBeStarted) {
  executor_.reset();
  LocalExecutorOptions slow;
  slow.cpus = 2;
  slow.restart_delay = std::chrono::hours(1);
  slow.longest_restart_delay = std::chrono::hours(1);
  executor_ = *NewLocalExecutor(slow, &sink_);
  const JobSpec spec = Spec("exit 1", RestartPolicy::kOnFailure);
  ASSERT_TRUE(executor_->Submit(spec).ok());
  ASSERT_TRUE(sink_.WaitFor([&] {
    const ReplicaStatus replica = executor_->Status(spec.id)->replicas[0];
    return replica.restarts == 1 && replica.state == ReplicaState::kPending &&
           replica.finished_at != 0;
  }));
  ASSERT_TRUE(executor_->Stop(spec.id, false).ok());
  EXPECT_EQ(WaitForEnd(*executor_, sink_, spec.id).state, JobState::kTerminated);
}

TEST_F(RestartTest, AnotherEngineStartsWhatWaitedToBeStarted) {
  executor_.reset();
  LocalExecutorOptions slow;
  slow.cpus = 2;
  slow.restart_delay = std::chrono::hours(1);
  slow.longest_restart_delay = std::chrono::hours(1);
  executor_ = *NewLocalExecutor(slow, &sink_);
  const JobSpec spec = Spec("test -e go", RestartPolicy::kOnFailure);
  ASSERT_TRUE(executor_->Submit(spec).ok());
  ASSERT_TRUE(sink_.WaitFor([&] {
    const ReplicaStatus replica = executor_->Status(spec.id)->replicas[0];
    return replica.restarts == 1 && replica.state == ReplicaState::kPending &&
           replica.finished_at != 0;
  }));
  std::ofstream(folder_ / "go") << "x";
  Start();
  ASSERT_TRUE(executor_->Submit(spec).ok());
  const JobStatus status = WaitForEnd(*executor_, sink_, spec.id);
  EXPECT_EQ(status.state, JobState::kSucceeded) << status.message;
  EXPECT_EQ(status.replicas[0].state, ReplicaState::kSucceeded);
  EXPECT_EQ(status.replicas[0].restarts, 2);
}

TEST_F(RestartTest, AnotherEngineCountsTheRestartsOfAllBeforeItStartsOneAgain) {
  JobSpec spec = Spec(
      "echo x >> starts-$RANK; test $(wc -l < starts-$RANK) = 1 && exit 1; "
      "until test -e go; do sleep 0.02; done; exit 1",
      RestartPolicy::kOnFailure, 2);
  spec.restart_limit = 2;
  ASSERT_TRUE(executor_->Submit(spec).ok());
  ASSERT_TRUE(sink_.WaitFor([&] {
    const auto replicas = executor_->Status(spec.id)->replicas;
    return std::ranges::all_of(replicas, [](const ReplicaStatus& replica) {
      return replica.restarts == 1 && replica.state == ReplicaState::kRunning;
    });
  }));
  executor_.reset();
  std::ofstream(folder_ / "go") << "x";
  for (const int rank : {0, 1}) {
    while (ReadToken(AttemptFolder(spec.directory, 1), rank)->held) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  Start();
  ASSERT_TRUE(executor_->Submit(spec).ok());
  const JobStatus status = WaitForEnd(*executor_, sink_, spec.id);
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_EQ(status.replicas[0].restarts + status.replicas[1].restarts, 2);
  EXPECT_THAT(status.replicas[0].message, HasSubstr("the limit of 2 restarts is reached"));
}

TEST_F(RestartTest, AnotherEngineGoesOnFromTheLastStart) {
  JobSpec spec = Spec(
      "echo $MASTER_PORT >> starts; test $(wc -l < starts) = 1 && exit 1; "
      "until test -e go; do sleep 0.02; done",
      RestartPolicy::kOnFailure);
  spec.restart_limit = 1;
  ASSERT_TRUE(executor_->Submit(spec).ok());
  ASSERT_TRUE(sink_.WaitFor([&] {
    const ReplicaStatus replica = executor_->Status(spec.id)->replicas[0];
    return replica.restarts == 1 && replica.state == ReplicaState::kRunning;
  }));
  Start();
  ASSERT_TRUE(executor_->Submit(spec).ok());
  std::ofstream(folder_ / "go") << "x";
  const JobStatus status = WaitForEnd(*executor_, sink_, spec.id);
  EXPECT_EQ(status.state, JobState::kSucceeded) << status.message;
  EXPECT_EQ(status.replicas[0].restarts, 1);
  std::istringstream starts(Slurp(folder_ / "starts"));
  std::string first;
  std::string second;
  std::string third;
  starts >> first >> second >> third;
  EXPECT_EQ(first, second);
  EXPECT_EQ(third, "") << "started once too often";
}

}  // namespace
}  // namespace regatta::job

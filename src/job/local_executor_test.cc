#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <thread>

#include "base/clock.h"
#include "job/test_support.h"

namespace regatta::job {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class LocalExecutorTest : public ::testing::Test {
 protected:
  void Start(LocalExecutorOptions options = {}) {
    if (options.cpus == 0) options.cpus = 2;
    executor_.reset();
    executor_ = *NewLocalExecutor(options, &sink_);
  }
  void SetUp() override { Start(); }

  JobStatus RunToEnd(const JobSpec& spec) {
    const absl::Status status = executor_->Submit(spec);
    EXPECT_TRUE(status.ok()) << status;
    return status.ok() ? WaitForEnd(*executor_, sink_, spec.id) : JobStatus{};
  }
  // Waits for a line in the log of a rank: the process has come that far.
  bool WaitForFile(const std::string& path) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < deadline) {
      if (!Slurp(path).empty()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }
  static bool IsAlive(int pid) {
    const std::string stat = Slurp("/proc/" + std::to_string(pid) + "/stat");
    return !stat.empty() && stat.substr(stat.rfind(')') + 2, 1) != "Z";
  }
  JobStatus StatusOf(const JobSpec& spec) { return *executor_->Status(spec.id); }

  TemporaryFolder folder_;
  TestSink sink_;
  std::unique_ptr<Executor> executor_;
};

TEST_F(LocalExecutorTest, ReportsSuccessTimesAndPid) {
  const JobStatus status = RunToEnd(Shell(folder_, "echo hello"));
  EXPECT_EQ(status.state, JobState::kSucceeded) << status.message;
  EXPECT_EQ(status.launches, 1);
  ASSERT_EQ(status.replicas.size(), 1u);
  EXPECT_EQ(status.replicas[0].exit_code, 0);
  EXPECT_GT(status.replicas[0].pid, 0);
  EXPECT_GE(status.replicas[0].finished_at, status.replicas[0].started_at);
}

TEST_F(LocalExecutorTest, ReportsTheExitCode) {
  const JobStatus status = RunToEnd(Shell(folder_, "exit 3"));
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_EQ(status.replicas[0].exit_code, 3);
  EXPECT_THAT(status.message,
              ContainsRegex("rank 0 \\(worker 0, pid [0-9]+\\) failed with exit code 3"));
}

TEST_F(LocalExecutorTest, ReportsTheSignal) {
  const JobStatus status = RunToEnd(Shell(folder_, "kill -SEGV $$"));
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_EQ(status.replicas[0].signal, SIGSEGV);
  EXPECT_THAT(status.message, HasSubstr("killed by SIGSEGV (11)"));
}

TEST_F(LocalExecutorTest, ACommandThatIsNotThereIsNamedWithThePath) {
  JobSpec spec = MakeSpec(folder_, {"no-such-command"});
  spec.env["PATH"] = "/nowhere";
  const JobStatus status = RunToEnd(spec);
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_THAT(status.message,
              HasSubstr("cannot start 'no-such-command': not found on PATH=/nowhere"));
}

TEST_F(LocalExecutorTest, RefusesWhatCanNeverRun) {
  JobSpec empty = MakeSpec(folder_, {});
  EXPECT_EQ(executor_->Submit(empty).code(), absl::StatusCode::kInvalidArgument);
  JobSpec lost = MakeSpec(folder_, {"true"});
  lost.working_directory = folder_ / "gone";
  EXPECT_THAT(std::string(executor_->Submit(lost).message()), HasSubstr("does not exist"));
  JobSpec wide = MakeSpec(folder_, {"true"}, 3);
  wide.roles[0].resources.cpus = 1;
  EXPECT_THAT(std::string(executor_->Submit(wide).message()),
              HasSubstr("ask for 3 CPUs, but there are 2"));
  JobSpec huge = MakeSpec(folder_, {"true"}, 10'000);
  huge.roles[0].resources.memory_bytes = std::int64_t{1} << 60;  // of all together: no 64 bits
  EXPECT_THAT(std::string(executor_->Submit(huge).message()), HasSubstr("GiB of memory, but"));
  JobSpec nul = MakeSpec(folder_, {"echo", std::string("a\0b", 3)});
  EXPECT_EQ(executor_->Submit(nul).code(), absl::StatusCode::kInvalidArgument);
  // Of a request, what follows the NUL would be another entry.
  JobSpec entry = MakeSpec(folder_, {"true"});
  entry.roles[0].working_directory = std::string("/tmp\0log_bytes=1", 16);
  EXPECT_THAT(std::string(executor_->Submit(entry).message()),
              HasSubstr("the working directory of role worker contains a NUL byte"));
}

TEST_F(LocalExecutorTest, PassesArgumentsVerbatim) {
  const std::vector<std::string> hostile = {
      "; rm -rf /", "$(id)", "日本語 ünïcode", "a\nb\t", "", "'\"\\", "--", "*"};
  std::vector<std::string> argv = {"/bin/sh", "-c", "for a; do printf '<%s>' \"$a\"; done", "sh"};
  argv.insert(argv.end(), hostile.begin(), hostile.end());
  const JobSpec spec = MakeSpec(folder_, argv);
  EXPECT_EQ(RunToEnd(spec).state, JobState::kSucceeded);
  std::string expected;
  for (const std::string& each : hostile) expected += "<" + each + ">";
  EXPECT_EQ(ReadLog(spec.directory, 0, 0, 4096)->bytes, expected);
}

TEST_F(LocalExecutorTest, KilledRankFailsTheJobAndStopsTheOther) {
  const JobSpec spec = Shell(folder_, "echo ready > ready-$RANK; exec sleep 600", 2);
  ASSERT_TRUE(executor_->Submit(spec).ok());
  ASSERT_TRUE(sink_.WaitFor(
      [&] { return StatusOf(spec).replicas[0].pid != 0 && StatusOf(spec).replicas[1].pid != 0; }));
  kill(StatusOf(spec).replicas[1].pid, SIGKILL);
  const JobStatus status = WaitForEnd(*executor_, sink_, spec.id);
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_THAT(status.message,
              ContainsRegex("rank 1 \\(worker 1, pid [0-9]+\\) was killed by SIGKILL \\(9\\)"));
  EXPECT_EQ(status.replicas[0].state, ReplicaState::kTerminated);
  EXPECT_EQ(status.replicas[0].message, "stopped because rank 1 failed");
}

TEST_F(LocalExecutorTest, AReplicaThatIgnoresTermIsKilledAfterTheGracePeriod) {
  JobSpec spec = Shell(folder_, "trap '' TERM; echo up > up; while :; do sleep 1; done");
  spec.grace = std::chrono::milliseconds(300);
  ASSERT_TRUE(executor_->Submit(spec).ok());
  ASSERT_TRUE(WaitForFile(folder_ / "up"));
  const base::Micros begin = base::MonotonicMicros();
  ASSERT_TRUE(executor_->Stop(spec.id, false).ok());
  const JobStatus status = WaitForEnd(*executor_, sink_, spec.id);
  const base::Micros took = base::MonotonicMicros() - begin;
  EXPECT_EQ(status.state, JobState::kTerminated);
  EXPECT_EQ(status.replicas[0].signal, SIGKILL);
  EXPECT_GE(took, 300'000);
  EXPECT_LT(took, 5'000'000);
}

TEST_F(LocalExecutorTest, StopNowDoesNotWaitForTheGracePeriod) {
  JobSpec spec = Shell(folder_, "trap '' TERM; echo up > up; while :; do sleep 1; done");
  spec.grace = std::chrono::hours(1);
  ASSERT_TRUE(executor_->Submit(spec).ok());
  ASSERT_TRUE(WaitForFile(folder_ / "up"));
  ASSERT_TRUE(executor_->Stop(spec.id, false).ok());
  ASSERT_TRUE(executor_->Stop(spec.id, true).ok());
  EXPECT_EQ(WaitForEnd(*executor_, sink_, spec.id).state, JobState::kTerminated);
}

TEST_F(LocalExecutorTest, DaemonsAreEndedWithTheirStep) {
  const JobSpec spec =
      Shell(folder_,
            "setsid sh -c 'echo $$ > daemon; exec sleep 600' & while [ ! -s daemon ]; do :; done");
  const JobStatus status = RunToEnd(spec);
  EXPECT_EQ(status.state, JobState::kSucceeded) << status.message;
  const int daemon = std::stoi(Slurp(folder_ / "daemon"));
  EXPECT_FALSE(IsAlive(daemon));
}

TEST_F(LocalExecutorTest, ClosedOutputsDoNotEndOrHangTheReplica) {
  const JobStatus status = RunToEnd(Shell(folder_, "exec >&- 2>&-; sleep 0.2; exit 4"));
  EXPECT_EQ(status.replicas[0].exit_code, 4);
}

TEST_F(LocalExecutorTest, TimesOut) {
  JobSpec spec = Shell(folder_, "sleep 600");
  spec.timeout = std::chrono::milliseconds(200);
  const JobStatus status = RunToEnd(spec);
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_THAT(status.message, HasSubstr("timed out after 200 ms"));
}

TEST_F(LocalExecutorTest, WaitsForCpusInOrderAndSaysSo) {
  JobSpec first = Shell(folder_, "read line < gate");
  ASSERT_EQ(mkfifo((folder_ / "gate").c_str(), 0600), 0);
  first.roles[0].resources.cpus = 1;
  JobSpec wide = Shell(folder_, "echo wide >> order", 2);
  wide.roles[0].resources.cpus = 1;
  JobSpec narrow = Shell(folder_, "echo narrow >> order");
  narrow.roles[0].resources.cpus = 1;
  ASSERT_TRUE(executor_->Submit(first).ok());
  ASSERT_TRUE(executor_->Submit(wide).ok());
  ASSERT_TRUE(executor_->Submit(narrow).ok());
  ASSERT_TRUE(
      sink_.WaitFor([&] { return StatusOf(wide).message == "waits for 2 CPUs (1 of 2 free)"; }));
  EXPECT_EQ(StatusOf(narrow).state, JobState::kPending);
  std::ofstream(folder_ / "gate") << "go\n";
  EXPECT_EQ(WaitForEnd(*executor_, sink_, narrow.id).state, JobState::kSucceeded);
  EXPECT_EQ(Slurp(folder_ / "order"), "wide\nwide\nnarrow\n");
}

TEST_F(LocalExecutorTest, AWaitingJobThatIsStoppedNeverRuns) {
  JobSpec first = Shell(folder_, "exec sleep 600");
  first.roles[0].resources.cpus = 2;
  JobSpec second = Shell(folder_, "echo ran > ran");
  second.roles[0].resources.cpus = 1;
  ASSERT_TRUE(executor_->Submit(first).ok());
  ASSERT_TRUE(executor_->Submit(second).ok());
  ASSERT_TRUE(executor_->Stop(second.id, false).ok());
  const JobStatus status = WaitForEnd(*executor_, sink_, second.id);
  EXPECT_EQ(status.state, JobState::kTerminated);
  EXPECT_EQ(status.launches, 0);
  ASSERT_TRUE(executor_->Stop(first.id, true).ok());
  WaitForEnd(*executor_, sink_, first.id);
  EXPECT_EQ(Slurp(folder_ / "ran"), "");
}

TEST_F(LocalExecutorTest, SubmitIsIdempotent) {
  const JobSpec spec = Shell(folder_, "echo once >> effect");
  ASSERT_TRUE(executor_->Submit(spec).ok());
  ASSERT_TRUE(executor_->Submit(spec).ok());
  WaitForEnd(*executor_, sink_, spec.id);
  ASSERT_TRUE(executor_->Submit(spec).ok());
  executor_->Forget(spec.id);
  EXPECT_EQ(executor_->Status(spec.id).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(RunToEnd(spec).state, JobState::kSucceeded);  // read from its exit file
  EXPECT_EQ(Slurp(folder_ / "effect"), "once\n");
}

TEST_F(LocalExecutorTest, ANewExecutorAdoptsWhatRuns) {
  ASSERT_EQ(mkfifo((folder_ / "gate").c_str(), 0600), 0);
  const JobSpec spec = Shell(folder_, "echo $RANK >> effect; read line < gate; exit 5");
  ASSERT_TRUE(executor_->Submit(spec).ok());
  ASSERT_TRUE(WaitForFile(folder_ / "effect"));
  Start();
  ASSERT_TRUE(executor_->Submit(spec).ok());
  ASSERT_TRUE(sink_.WaitFor([&] { return StatusOf(spec).replicas[0].pid != 0; }));
  std::ofstream(folder_ / "gate") << "go\n";
  const JobStatus status = WaitForEnd(*executor_, sink_, spec.id);
  EXPECT_EQ(status.replicas[0].exit_code, 5);
  EXPECT_EQ(status.launches, 1);
  EXPECT_EQ(Slurp(folder_ / "effect"), "0\n");
}

TEST_F(LocalExecutorTest, AKilledShimTakesItsProcessesAlong) {
  const JobSpec spec =
      Shell(folder_, "(setsid sleep 600 & echo $! > grandchild); echo $$ > child; exec sleep 600");
  ASSERT_TRUE(executor_->Submit(spec).ok());
  ASSERT_TRUE(WaitForFile(folder_ / "child"));
  const int child = std::stoi(Slurp(folder_ / "child"));
  const int grandchild = std::stoi(Slurp(folder_ / "grandchild"));
  std::istringstream token(Slurp(spec.directory + "/shim/rank-0.token"));
  std::string word;
  while (token >> word && word != "shim") {
  }
  int shim = 0;
  token >> shim;
  ASSERT_GT(shim, 1);
  kill(shim, SIGKILL);
  const JobStatus status = WaitForEnd(*executor_, sink_, spec.id);
  EXPECT_EQ(status.state, JobState::kFailed);
  EXPECT_THAT(status.message, HasSubstr("was killed, so its processes were ended too"));
  EXPECT_FALSE(IsAlive(child));
  EXPECT_FALSE(IsAlive(grandchild));
}

TEST_F(LocalExecutorTest, MemoryLimitIsEnforcedOrSaidNotToBe) {
  JobSpec spec =
      MakeSpec(folder_, {"/usr/bin/python3", "-c", "b = bytearray(400 << 20); print(len(b))"});
  spec.roles[0].resources.memory_bytes = 64 << 20;
  const JobStatus status = RunToEnd(spec);
  if (status.warnings.empty()) {
    EXPECT_EQ(status.state, JobState::kFailed);
    EXPECT_THAT(status.message, HasSubstr("out of memory, its limit is 64 MiB"));
  } else {
    EXPECT_THAT(status.warnings[0], HasSubstr("memory is counted but not enforced: "));
    EXPECT_EQ(status.state, JobState::kSucceeded);
  }
}

TEST_F(LocalExecutorTest, PublishesMetricsAndToleratesRubbish) {
  const JobSpec spec = Shell(folder_,
                             "echo '{\"name\":\"loss\",\"value\":0.5,\"step\":1,\"time\":2.5}' >> "
                             "$REGATTA_METRICS_FILE; echo rubbish >> $REGATTA_METRICS_FILE; "
                             "printf '{\"name\":\"loss\",' >> $REGATTA_METRICS_FILE; "
                             "echo '\"value\":null,\"step\":2}' >> $REGATTA_METRICS_FILE");
  const JobStatus status = RunToEnd(spec);
  const std::vector<base::Event> metrics = sink_.Of("job.metric");
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(status.metrics, 2);
  EXPECT_EQ(
      metrics[0].data,
      (base::Json{{"rank", 0}, {"name", "loss"}, {"value", 0.5}, {"step", 1}, {"time", 2500000}}));
  EXPECT_TRUE(metrics[1].data["value"].is_null());
  ASSERT_EQ(status.warnings.size(), 1u);
  EXPECT_THAT(status.warnings[0], HasSubstr("that are no metrics"));
}

TEST_F(LocalExecutorTest, MetricsComeWhileTheReplicaRuns) {
  ASSERT_EQ(mkfifo((folder_ / "gate").c_str(), 0600), 0);
  const JobSpec spec = Shell(
      folder_,
      "echo '{\"name\":\"a\",\"value\":1,\"step\":1}' >> $REGATTA_METRICS_FILE; read line < gate");
  ASSERT_TRUE(executor_->Submit(spec).ok());
  ASSERT_TRUE(sink_.WaitFor([&] { return !sink_.Of("job.metric").empty(); }));
  EXPECT_EQ(StatusOf(spec).state, JobState::kRunning);
  std::ofstream(folder_ / "gate") << "go\n";
  WaitForEnd(*executor_, sink_, spec.id);
}

TEST_F(LocalExecutorTest, ReplicasDoNotShareTheEnginesSessionOrSecrets) {
  setenv("REGATTA_API_TOKEN", "s3cret-token", 1);
  Start();
  unsetenv("REGATTA_API_TOKEN");
  const JobSpec spec = Shell(folder_, "echo $(ps -o sid= -p $$) $$; env");
  RunToEnd(spec);
  const std::string log = ReadLog(spec.directory, 0, 0, 1 << 20)->bytes;
  int session = 0, pid = -1;
  std::istringstream(log) >> session >> pid;
  EXPECT_EQ(session, pid);
  EXPECT_THAT(log, ::testing::Not(HasSubstr("s3cret-token")));
  EXPECT_THAT(log, HasSubstr("REGATTA_JOB_ID=" + spec.id));
}

}  // namespace
}  // namespace regatta::job

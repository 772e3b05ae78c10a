// Training jobs on the real executor and a real store.
#include "job/kubeflow/controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "job/test_support.h"

namespace regatta::job {
namespace {

using base::Json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TrainingJobsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = *store::Store::Open({.url = "sqlite://" + (folder_ / "regatta.db")},
                                 {TrainingJobs::Schema()});
    Open();
  }
  void Open() {
    jobs_.reset();
    jobs_ = *TrainingJobs::Open({.store = store_.get(),
                                 .folder = folder_ / "state",
                                 .make_executor = [](base::EventSink* sink) {
                                   return NewLocalExecutor({.cpus = 2}, sink);
                                 }});
  }
  static std::string Yaml(const std::string& policy, const std::string& script,
                          const std::string& restart = "Never") {
    return "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nmetadata: {name: t}\nspec:\n"
           "  runPolicy: {" +
           policy + "}\n  pytorchReplicaSpecs:\n" + Role("Master", script, restart) +
           Role("Worker", script, restart);
  }
  static std::string Role(const std::string& type, const std::string& script,
                          const std::string& restart) {
    return "    " + type + ":\n      restartPolicy: " + restart +
           "\n      template:\n        spec:\n          containers:\n"
           "            - name: pytorch\n              command: [/bin/sh, -c, '" +
           script + "']\n";
  }
  std::string Create(const std::string& yaml) {
    auto job = jobs_->Create({.yaml = yaml, .working_directory = folder_.path()}, nullptr);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? (*job)["id"].get<std::string>() : "";
  }
  template <typename Condition>
  bool Wait(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < deadline) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }
  Json WaitFor(const std::string& id, const std::string& state) {
    Json job;
    EXPECT_TRUE(Wait([&] {
      job = *jobs_->Get(id);
      return job["state"] == state;
    })) << "it is "
        << job.dump();
    return job;
  }
  static std::vector<std::string> Conditions(const Json& job) {
    std::vector<std::string> all;
    for (const Json& each : job["conditions"]) {
      all.push_back(each["type"].get<std::string>() + "=" + each["status"].get<std::string>() +
                    " " + each["reason"].get<std::string>());
    }
    return all;
  }
  std::vector<std::string> Lines(const std::string& name) {
    std::istringstream in(Slurp(folder_ / name));
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }

  TemporaryFolder folder_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<TrainingJobs> jobs_;
};

TEST_F(TrainingJobsTest, KeepsKubeflowsConditionsAndCounts) {
  const std::string id = Create(Yaml("", "echo rank $RANK of $WORLD_SIZE; sleep 0.2"));
  const Json job = WaitFor(id, "succeeded");
  EXPECT_THAT(Conditions(job),
              ElementsAre("Created=True PyTorchJobCreated", "Running=False PyTorchJobRunning",
                          "Succeeded=True PyTorchJobSucceeded"));
  EXPECT_EQ(job["replica_statuses"]["Master"],
            Json({{"active", 0}, {"succeeded", 1}, {"failed", 0}}));
  EXPECT_GE(job["finished_at"].get<std::int64_t>(), job["started_at"].get<std::int64_t>());
  EXPECT_EQ(jobs_->GetLog(id, 1, -1, 0, 100)->bytes, "rank 1 of 2\n");
  EXPECT_THAT(jobs_->GetLog(id, 2, -1, 0, 100).status().message(), HasSubstr("has no rank 2"));
}

TEST_F(TrainingJobsTest, ARestartIsToldAndItsLogIsKept) {
  const std::string id =
      Create(Yaml("", "echo run; test $RANK = 0 && ! test -e once && touch once && exit 1; exit 0",
                  "OnFailure"));
  const Json job = WaitFor(id, "succeeded");
  EXPECT_EQ(job["restarts"], 1);
  EXPECT_EQ(jobs_->GetLog(id, 0, 0, 0, 100)->bytes, "run\n");
  EXPECT_EQ(jobs_->GetLog(id, 0, 1, 0, 100)->bytes, "run\n");
}

TEST_F(TrainingJobsTest, BackoffLimitFailsTheJob) {
  const std::string id = Create(Yaml("backoffLimit: 1", "exit 1", "OnFailure"));
  const Json job = WaitFor(id, "failed");
  EXPECT_EQ(job["conditions"].back()["reason"], "PyTorchJobFailed");
  EXPECT_THAT(job["message"].get<std::string>(),
              HasSubstr("Job t has failed because it has reached the specified backoff limit"));
  EXPECT_EQ(job["restarts"], 1);
}

TEST_F(TrainingJobsTest, RestartingTakesThePlaceOfRunning) {
  const std::string id = Create(Yaml("", "exit 1", "OnFailure"));
  EXPECT_TRUE(Wait([&] { return (*jobs_->Get(id))["restarts"] == 2; }));
  // Now both wait for their second restart.
  EXPECT_THAT(
      Conditions(WaitFor(id, "restarting")),
      ElementsAre("Created=True PyTorchJobCreated", "Restarting=True PyTorchJobRestarting"));
  ASSERT_TRUE(jobs_->Suspend(id, true, false).ok());
  EXPECT_THAT(Conditions(WaitFor(id, "suspended")),
              ::testing::Contains("Suspended=True PyTorchJobSuspended"));
}

TEST_F(TrainingJobsTest, BackoffLimitEndsTheOthersWhateverCleanPodPolicySays) {
  const std::string id =
      Create(Yaml("backoffLimit: 0, cleanPodPolicy: None",
                  "test $RANK = 1 && echo $$ > one && exec sleep 600; until test -e one; do sleep "
                  "0.02; done; exit 1",
                  "OnFailure"));
  WaitFor(id, "failed");
  EXPECT_TRUE(Wait([&] { return (*jobs_->Get(id))["replicas"][1]["state"] == "terminated"; }));
}

TEST_F(TrainingJobsTest, OneWorkerIsEnoughForAnElasticJob) {
  const std::string spec =
      "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nmetadata: {name: t}\n"
      "spec:\n  runPolicy: {cleanPodPolicy: Running}\n"
      "  elasticPolicy: {minReplicas: 1}\n  pytorchReplicaSpecs:\n";
  std::string worker = Role("Worker", "test $RANK = 1 || exec sleep 600", "Never");
  worker.insert(worker.find("      restartPolicy"), "      replicas: 2\n");
  const std::string id = Create(spec + worker);
  WaitFor(id, "succeeded");
  EXPECT_TRUE(Wait([&] { return (*jobs_->Get(id))["replicas"][0]["state"] == "terminated"; }));
}

TEST_F(TrainingJobsTest, ADeadlineFailsTheJobAndEndsItsProcesses) {
  const std::string id = Create(Yaml("activeDeadlineSeconds: 1", "exec sleep 600", "OnFailure"));
  const Json job = WaitFor(id, "failed");
  EXPECT_EQ(job["conditions"].back()["reason"], "PyTorchJobFailed");
  EXPECT_THAT(job["message"].get<std::string>(), HasSubstr("was active longer than specified"));
  EXPECT_TRUE(Wait([&] { return (*jobs_->Get(id))["replica_statuses"]["Worker"]["active"] == 0; }));
}

TEST_F(TrainingJobsTest, TimeToLiveDeletesTheJobAndItsFolder) {
  const std::string id = Create(Yaml("ttlSecondsAfterFinished: 1", "exit 0"));
  const std::string folder = folder_ / ("state/jobs/" + id);
  EXPECT_EQ(WaitFor(id, "succeeded")["state"], "succeeded");
  EXPECT_TRUE(std::filesystem::exists(folder));
  EXPECT_TRUE(Wait([&] { return absl::IsNotFound(jobs_->Get(id).status()); }));
  EXPECT_TRUE(Wait([&] { return !std::filesystem::exists(folder); }));
}

// The master ends at once, the worker when it is let go.
constexpr char kLateWorker[] =
    "test $RANK = 0 && exit 0; until test -e go; do sleep 0.02; done; echo late >> end";

TEST_F(TrainingJobsTest, CleanPodPolicyNoneLeavesWhatRuns) {
  const std::string id = Create(Yaml("cleanPodPolicy: None", kLateWorker));
  WaitFor(id, "succeeded");
  EXPECT_TRUE(Wait([&] { return (*jobs_->Get(id))["replica_statuses"]["Worker"]["active"] == 1; }));
  std::ofstream(folder_ / "go") << "x";
  EXPECT_TRUE(
      Wait([&] { return (*jobs_->Get(id))["replica_statuses"]["Worker"]["succeeded"] == 1; }));
  EXPECT_THAT(Lines("end"), ElementsAre("late"));
}

TEST_F(TrainingJobsTest, CleanPodPolicyRunningEndsWhatRuns) {
  const std::string id = Create(Yaml("cleanPodPolicy: Running", kLateWorker));
  WaitFor(id, "succeeded");
  EXPECT_TRUE(Wait([&] { return (*jobs_->Get(id))["replicas"][1]["state"] == "terminated"; }));
}

TEST_F(TrainingJobsTest, SuspendsAndStartsAnew) {
  const std::string id =
      Create(Yaml("", "echo x >> starts; until test -e go; do sleep 0.02; done"));
  WaitFor(id, "running");
  ASSERT_TRUE(Wait([&] { return Lines("starts").size() == 2; }));
  ASSERT_TRUE(jobs_->Suspend(id, true, false).ok());
  WaitFor(id, "suspended");
  std::ofstream(folder_ / "go") << "x";
  ASSERT_TRUE(jobs_->Suspend(id, false, false).ok());
  const Json job = WaitFor(id, "succeeded");
  // The worker goes on when the master has ended.
  EXPECT_TRUE(Wait([&] { return Lines("starts").size() == 4; }));
  EXPECT_THAT(Conditions(job), ::testing::Contains("Suspended=False PyTorchJobResumed"));
  EXPECT_TRUE(absl::IsFailedPrecondition(jobs_->Suspend(id, true, false).status()));
}

TEST_F(TrainingJobsTest, OneThatIsCreatedSuspendedWaits) {
  const std::string id = Create(Yaml("suspend: true", "echo x >> starts"));
  EXPECT_EQ((*jobs_->Get(id))["state"], "suspended");
  Open();  // nor does the next owner start it
  EXPECT_TRUE(Lines("starts").empty());
  ASSERT_TRUE(jobs_->Suspend(id, false, false).ok());
  WaitFor(id, "succeeded");
}

TEST_F(TrainingJobsTest, TheNextOwnerAdoptsWhatRunsAndStartsNothingTwice) {
  const std::string id =
      Create(Yaml("", "echo x >> starts; until test -e go; do sleep 0.02; done"));
  ASSERT_TRUE(Wait([&] { return Lines("starts").size() == 2; }));
  Open();
  std::ofstream(folder_ / "go") << "x";
  EXPECT_EQ(WaitFor(id, "succeeded")["restarts"], 0);
  EXPECT_EQ(Lines("starts").size(), 2u);
}

TEST_F(TrainingJobsTest, DeletingEndsTheProcessesFirst) {
  const std::string id = Create(Yaml("",
                                     "echo x >> starts; trap \"echo bye >> end; exit 0\" TERM; "
                                     "while true; do sleep 0.02; done"));
  ASSERT_TRUE(Wait([&] { return Lines("starts").size() == 2; }));
  ASSERT_TRUE(jobs_->Delete(id).ok());
  EXPECT_TRUE(Wait([&] { return absl::IsNotFound(jobs_->Get(id).status()); }));
  EXPECT_EQ(Lines("end").size(), 2u);
}

TEST_F(TrainingJobsTest, WhatIgnoresTermIsKilledAfterItsGrace) {
  std::string yaml = Yaml("", "trap \"\" TERM; echo x >> starts; while true; do sleep 0.02; done");
  const std::string spec = "        spec:\n";
  yaml.insert(yaml.find(spec) + spec.size(), "          terminationGracePeriodSeconds: 0\n");
  const std::string id = Create(yaml);
  ASSERT_TRUE(Wait([&] { return Lines("starts").size() == 2; }));
  ASSERT_TRUE(jobs_->Suspend(id, true, false).ok());
  const Json job = WaitFor(id, "suspended");
  for (const Json& replica : job["replicas"]) {
    EXPECT_EQ(replica["signal"], 9) << replica;
  }
}

TEST_F(TrainingJobsTest, TheNextOwnerDeletesWhatWasBeingDeleted) {
  const std::string other = Create(Yaml("suspend: true", "exit 0"));
  const std::string id = Create(Yaml("suspend: true", "exit 0"));
  jobs_.reset();
  {
    auto transaction = *store_->Begin();
    ASSERT_TRUE(
        transaction.Execute("UPDATE job_training_jobs SET deleting = 1 WHERE id = ?", {id}).ok());
    ASSERT_TRUE(transaction.Commit().ok());
  }
  const std::string nobodys = folder_ / ("state/jobs/" + base::NewUlid());
  std::filesystem::create_directories(nobodys + "/logs");
  Open();
  EXPECT_TRUE(absl::IsNotFound(jobs_->Get(id).status()));
  EXPECT_TRUE(jobs_->Get(other).ok());
  EXPECT_FALSE(std::filesystem::exists(nobodys)) << "its row went before its folder";
}

TEST_F(TrainingJobsTest, TheSameNameIsAnotherJob) {
  EXPECT_NE(Create(Yaml("suspend: true", "exit 0")), Create(Yaml("suspend: true", "exit 0")));
  EXPECT_EQ(jobs_->List({.name = "t"})->total, 2);
}

TEST_F(TrainingJobsTest, TheSameIdIsTheSameJob) {
  TrainingJobRequest request{.id = base::NewUlid(), .yaml = Yaml("", "exit 0")};
  request.working_directory = folder_.path();
  ASSERT_TRUE(jobs_->Create(request, nullptr).ok());
  EXPECT_TRUE(jobs_->Create(request, nullptr).ok());
  request.yaml += "\n";
  EXPECT_TRUE(absl::IsAlreadyExists(jobs_->Create(request, nullptr).status()));
  EXPECT_EQ(jobs_->List({})->total, 1);
}

TEST_F(TrainingJobsTest, WhatCanNeverRunIsNotKept) {
  std::string yaml = Yaml("", "exit 0");
  yaml += "              resources: {requests: {cpu: 64}}\n";
  const auto job = jobs_->Create({.yaml = yaml, .working_directory = folder_.path()}, nullptr);
  EXPECT_TRUE(absl::IsInvalidArgument(job.status())) << job.status();
  EXPECT_EQ(jobs_->List({})->total, 0);
}

TEST_F(TrainingJobsTest, ListsInPages) {
  for (int i = 0; i < 3; ++i) Create(Yaml("suspend: true", "exit 0"));
  const auto first = *jobs_->List({.states = {"suspended"}, .limit = 2});
  EXPECT_EQ(first.items.size(), 2u);
  EXPECT_EQ(first.total, 3);
  const auto second = *jobs_->List({.limit = 2, .cursor = first.next_cursor});
  EXPECT_EQ(second.items.size(), 1u);
  EXPECT_EQ(second.next_cursor, "");
  EXPECT_EQ(jobs_->List({.kinds = {"TFJob"}})->total, 0);
  EXPECT_EQ(jobs_->List({.name = "%"})->total, 0);
}

}  // namespace
}  // namespace regatta::job

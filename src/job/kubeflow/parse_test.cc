#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "job/kubeflow/model.h"

namespace regatta::job {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TrainingJob Parse(const std::string& yaml) {
  std::vector<Problem> problems;
  auto job = ParseTrainingJob(yaml, "job.yaml", &problems);
  for (const Problem& problem : problems) ADD_FAILURE() << problem.ToString();
  return job.ok() ? *job : TrainingJob{};
}

constexpr char kPyTorch[] = R"yaml(apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: mnist, namespace: kubeflow}
spec:
  runPolicy:
    cleanPodPolicy: None
    ttlSecondsAfterFinished: 60
    activeDeadlineSeconds: 600
    backoffLimit: 3
  pytorchReplicaSpecs:
    Worker:
      replicas: 2
      restartPolicy: ExitCode
      template:
        spec:
          nodeSelector: {disk: ssd}
          containers:
            - name: pytorch
              image: registry/mnist:1
              command: [python3, train.py]
              args: ["--port=$(MASTER_PORT)", "--name", "$(WHO)", "$$(WHO)", "$(NOBODY)"]
              env:
                - {name: FIRST, value: a}
                - {name: WHO, value: "$(FIRST)b"}
              resources:
                limits: {cpu: 500m, memory: 1Gi, nvidia.com/gpu: 1}
    Master:
      replicas: 1
      restartPolicy: OnFailure
      template:
        spec:
          containers:
            - {name: pytorch, image: registry/mnist:1, command: [python3, train.py]}
)yaml";

TEST(ParseTrainingJob, ReadsAPyTorchJob) {
  const TrainingJob job = Parse(kPyTorch);
  EXPECT_EQ(job.name, "mnist");
  EXPECT_EQ(job.clean_pods, CleanPodPolicy::kNone);
  EXPECT_EQ(job.time_to_live, std::chrono::seconds(60));
  EXPECT_EQ(job.active_deadline, std::chrono::seconds(600));
  EXPECT_EQ(job.backoff_limit, 3);
  ASSERT_EQ(job.replicas.size(), 2u);
  EXPECT_EQ(job.replicas[0].type, "Master") << "the master has rank 0, wherever it stands";
  EXPECT_EQ(job.replicas[0].restart, RestartPolicy::kOnFailure);
  EXPECT_EQ(job.replicas[1].restart, RestartPolicy::kExitCode);
  EXPECT_EQ(job.replicas[1].resources.cpus, 0.5);
  EXPECT_EQ(job.replicas[1].resources.memory_bytes, 1 << 30);
  EXPECT_THAT(job.warnings,
              ElementsAre("job.yaml:16: spec.pytorchReplicaSpecs.Worker.template.spec.nodeSelector "
                          "is ignored on one machine",
                          HasSubstr("nvidia.com/gpu is not counted on this machine")));
}

TEST(ParseTrainingJob, BecomesASpecForTheExecutor) {
  const JobSpec spec = ToJobSpec(Parse(kPyTorch), "id", "/folder");
  EXPECT_EQ(spec.framework, Framework::kPyTorch);
  EXPECT_THAT(spec.deciding_ranks, ElementsAre(0));
  EXPECT_FALSE(spec.stop_rest);
  EXPECT_EQ(spec.restart_limit, 3);
  ASSERT_EQ(spec.roles.size(), 2u);
  EXPECT_EQ(spec.roles[1].name, "worker");
  EXPECT_EQ(spec.roles[1].replicas, 2);
  EXPECT_THAT(spec.roles[1].env, Contains(Pair("WHO", "ab")));
}

TEST(ExpandReferences, DoesAsKubernetes) {
  const std::map<std::string, std::string> env = {{"A", "1"}, {"B", "$(A)"}};
  EXPECT_EQ(ExpandReferences("$(A)-$(B)", env), "1-$(A)");
  EXPECT_EQ(ExpandReferences("$$(A) $$$(A) $(C) $A $", env), "$(A) $1 $(C) $A $");
  EXPECT_EQ(ExpandReferences("$(A", env), "$(A");
}

TEST(ParseQuantity, KnowsKubernetesSuffixes) {
  EXPECT_EQ(ParseQuantity("500m"), 0.5);
  EXPECT_EQ(ParseQuantity("2"), 2);
  EXPECT_EQ(ParseQuantity("1Gi"), 1073741824.0);
  EXPECT_EQ(ParseQuantity("1e3"), 1000);
  for (const char* bad : {"", "m", "-1", "1GB", "nan", "1 Gi"})
    EXPECT_FALSE(ParseQuantity(bad)) << bad;
}

std::string Tf(const std::string& spec, const std::string& roles) {
  std::string yaml = "apiVersion: kubeflow.org/v1\nkind: TFJob\nmetadata: {name: t}\nspec:\n" +
                     spec + "  tfReplicaSpecs:\n";
  std::istringstream words(roles);
  std::string role;
  int count = 0;
  while (words >> role >> count) {
    yaml += "    " + role + ": {replicas: " + std::to_string(count) +
            ", template: {spec: {containers: [{name: tensorflow, command: ['true']}]}}}\n";
  }
  return yaml;
}

TEST(ParseTrainingJob, KnowsWhoDecidesATfJob) {
  const auto decide = [](const std::string& spec, const std::string& roles) {
    return ToJobSpec(Parse(Tf(spec, roles)), "id", "/f").deciding_ranks;
  };
  EXPECT_THAT(decide("", "PS 1 Worker 2 Chief 1"), ElementsAre(0));
  EXPECT_THAT(decide("", "PS 1 Worker 2"), ElementsAre(0));
  EXPECT_THAT(decide("  successPolicy: AllWorkers\n", "Worker 2 PS 1"), ElementsAre(0, 1));
  EXPECT_THAT(decide("  successPolicy: AllWorkers\n", "Worker 2"), IsEmpty()) << "all there are";
}

TEST(ParseTrainingJob, ReadsBothPaddleJobs) {
  const TrainingJob newer = Parse(R"yaml(apiVersion: kubeflow.org/v1
kind: PaddleJob
metadata: {name: p}
spec:
  paddleReplicaSpecs:
    Worker: {replicas: 2, template: {spec: {containers: [{name: paddle, command: [python]}]}}}
)yaml");
  EXPECT_EQ(newer.replicas[0].restart, RestartPolicy::kOnFailure);
  const TrainingJob older = Parse(R"yaml(apiVersion: batch.paddlepaddle.org/v1
kind: PaddleJob
metadata: {name: ctr}
spec:
  cleanPodPolicy: Never
  withGloo: 1
  worker: {replicas: 2, template: {spec: {containers: [{name: paddle, command: [python]}]}}}
  ps: {replicas: 1, template: {spec: {containers: [{name: paddle, command: [python]}]}}}
)yaml");
  EXPECT_EQ(older.clean_pods, CleanPodPolicy::kNone);
  EXPECT_EQ(older.replicas[0].type, "PS");
  EXPECT_THAT(ToJobSpec(older, "id", "/f").deciding_ranks, ElementsAre(1, 2));
  EXPECT_THAT(older.warnings, ElementsAre(HasSubstr("spec.withGloo is ignored")));
}

TEST(ParseTrainingJob, AnMpiJobIsItsLauncher) {
  const TrainingJob job = Parse(R"yaml(apiVersion: kubeflow.org/v2beta1
kind: MPIJob
metadata: {name: pi}
spec:
  slotsPerWorker: 2
  mpiReplicaSpecs:
    Launcher:
      replicas: 1
      template: {spec: {containers: [{name: launcher, command: [mpirun, ./pi]}]}}
    Worker:
      replicas: 3
      template: {spec: {containers: [{name: worker, resources: {limits: {cpu: "0.25"}}}]}}
)yaml");
  const JobSpec spec = ToJobSpec(job, "id", "/folder");
  ASSERT_EQ(spec.roles.size(), 1u);
  EXPECT_EQ(spec.roles[0].resources.cpus, 0.75);
  EXPECT_EQ(HostFile(job), "localhost slots=6\n");
  EXPECT_EQ(spec.roles[0].env.at("OMPI_MCA_orte_default_hostfile"), "/folder/hostfile");
}

TEST(ParseTrainingJob, TellsTorchrunWhereElasticRanksMeet) {
  std::string yaml = kPyTorch;
  yaml.replace(
      yaml.find("  runPolicy:"), 0,
      "  elasticPolicy: {minReplicas: 1, maxReplicas: 2, rdzvBackend: c10d, maxRestarts: 5}\n"
      "  nprocPerNode: \"2\"\n");
  const JobSpec spec = ToJobSpec(Parse(yaml), "id", "/f");
  EXPECT_EQ(spec.env.at("PET_RDZV_ENDPOINT"), "$(MASTER_ADDR):$(MASTER_PORT)");
  EXPECT_EQ(spec.env.at("PET_MAX_RESTARTS"), "5");
  EXPECT_EQ(spec.env.at("PET_NPROC_PER_NODE"), "2");
}

struct Bad {
  const char* name;
  const char* from;  // replaced in kPyTorch
  const char* to;
  const char* problem;
};
class BadTrainingJob : public ::testing::TestWithParam<Bad> {};
TEST_P(BadTrainingJob, IsRefusedWithItsPlace) {
  std::string yaml = kPyTorch;
  const std::string from = GetParam().from;
  ASSERT_NE(yaml.find(from), std::string::npos);
  yaml.replace(yaml.find(from), from.size(), GetParam().to);
  std::vector<Problem> problems;
  const auto job = ParseTrainingJob(yaml, "job.yaml", &problems);
  ASSERT_FALSE(job.ok());
  std::string all;
  for (const Problem& problem : problems) all += problem.ToString() + "\n";
  EXPECT_THAT(all, HasSubstr(GetParam().problem));
}
INSTANTIATE_TEST_SUITE_P(
    Files, BadTrainingJob,
    ::testing::Values(
        Bad{"Kind", "PyTorchJob", "PytorchJob",
            "job.yaml:2:7: kind: must be PyTorchJob, TFJob, PaddleJob or MPIJob, not "
            "\"PytorchJob\" (did you mean \"PyTorchJob\"?)"},
        Bad{"Version", "kubeflow.org/v1", "kubeflow.org/v1beta1",
            "job.yaml:1:13: apiVersion: of a PyTorchJob must be kubeflow.org/v1"},
        Bad{"Name", "name: mnist", "name: Mnist_1",
            "job.yaml:3:18: metadata.name: must be 1 to 63"},
        Bad{"UnknownKey", "backoffLimit: 3", "backofLimit: 3",
            "job.yaml:9:5: spec.runPolicy.backofLimit: runPolicy has no attribute \"backofLimit\" "
            "(did you mean \"backoffLimit\"?)"},
        Bad{"Policy", "cleanPodPolicy: None", "cleanPodPolicy: Nine",
            "job.yaml:6:21: spec.runPolicy.cleanPodPolicy: must be None, Running or All"},
        Bad{"Restart", "restartPolicy: ExitCode", "restartPolicy: Sometimes",
            "must be Always, OnFailure, Never or ExitCode, not \"Sometimes\""},
        Bad{"Negative", "replicas: 2", "replicas: -2", "must be from 0 to 10000, not -2"},
        Bad{"Type", "replicas: 2", "replicas: two", "must be a whole number, not the text \"two\""},
        Bad{"Role", "    Worker:", "    Wroker:", "is no replica type of a PyTorchJob"},
        Bad{"TwoMasters", "replicas: 1", "replicas: 2", "Master.replicas: must be 0 or 1"},
        Bad{"Container", "name: pytorch\n", "name: main\n",
            "must have a container named pytorch, as a PyTorchJob demands"},
        Bad{"Number", "command: [python3, train.py]", "command: [python3, 3]",
            "must have texts only, not the number 3; quote it"},
        Bad{"Secret", "{name: FIRST, value: a}",
            "{name: FIRST, valueFrom: {secretKeyRef: {name: s, key: k}}}",
            "env.FIRST.valueFrom: needs a cluster"},
        Bad{"Quantity", "cpu: 500m", "cpu: half", "limits.cpu: must be a quantity such as 500m"},
        Bad{"NoCommand", "command: [python3, train.py]}", "}",
            "this machine cannot know the entry point of the image"},
        Bad{"TwoDocuments", "kind: PyTorchJob", "kind: PyTorchJob\n---\nkind: TFJob",
            "a second document begins here"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace regatta::job

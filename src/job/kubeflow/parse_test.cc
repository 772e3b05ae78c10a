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

TEST(ParseTrainingJob, SaysEachThingInOneLineOfBoundedLength) {
  std::string yaml = kPyTorch;
  yaml += "  \"a\\0b\\nc\": 1\n  ? \"" + std::string(100'000, 'x') + "\"\n  : 1\n";
  std::vector<Problem> problems;
  EXPECT_FALSE(ParseTrainingJob(yaml, "job.yaml", &problems).ok());
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_THAT(problems[0].ToString(), HasSubstr(": spec.a b c: PyTorchJob has no attribute"));
  EXPECT_LT(problems[1].ToString().size(), 2000u);
  EXPECT_THAT(problems[1].ToString(), HasSubstr("spec.xxx"));
}

// Twice the one before it, forty times: the whole would be a terabyte.
TEST(ToJobSpec, VariablesThatDoubleDoNotFillTheMemory) {
  TrainingJob job = Parse(kPyTorch);
  auto& env = job.replicas[0].env;
  env = {{"V0", "x"}};
  for (int i = 1; i <= 40; ++i) {
    const std::string before = "$(V" + std::to_string(i - 1) + ")";
    env.emplace_back("V" + std::to_string(i), before + before);
  }
  const JobSpec spec = ToJobSpec(job, "id", "/d");
  std::size_t bytes = 0;
  for (const auto& [name, value] : spec.roles[0].env) bytes += value.size();
  EXPECT_EQ(spec.roles[0].env.at("V10"), std::string(1024, 'x'));
  EXPECT_GT(bytes, kMostExpanded);  // so that the kernel refuses it
  EXPECT_LT(bytes, 3 * kMostExpanded);
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
  EXPECT_EQ(spec.roles[0].restart, RestartPolicy::kOnFailure) << "as a Job of Kubernetes";
  EXPECT_EQ(spec.restart_limit, 6);
  const auto files = MpiFiles(job);
  ASSERT_EQ(files.size(), 3u);
  EXPECT_EQ(files[0].content, "localhost slots=6\n");
  EXPECT_EQ(files[1].content, "localhost:6\n") << "Hydra knows no slots";
  EXPECT_EQ(spec.roles[0].env.at("OMPI_MCA_orte_default_hostfile"), "/folder/hostfile");
  EXPECT_EQ(spec.roles[0].env.at("I_MPI_HYDRA_HOST_FILE"), "/folder/" + files[1].name);
  ASSERT_EQ(spec.folders.size(), 2u);
  EXPECT_EQ(spec.folders[0].inside, "/etc/mpi/hostfile");
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

std::string WithContainer(const std::string& container) {
  std::string yaml = kPyTorch;
  const std::string from = "{name: pytorch, image: registry/mnist:1, command: [python3, train.py]}";
  return yaml.replace(yaml.find(from), from.size(), container);
}

// What one machine cannot do is said, and is no error.
struct Read {
  const char* name;
  std::string yaml;
  const char* warning;
};
class ReadsTrainingJob : public ::testing::TestWithParam<Read> {};
TEST_P(ReadsTrainingJob, WithAWarning) {
  EXPECT_THAT(Parse(GetParam().yaml).warnings, Contains(HasSubstr(GetParam().warning)));
}
std::string With(const std::string& from, const std::string& to) {
  std::string yaml = kPyTorch;
  return yaml.replace(yaml.find(from), from.size(), to);
}
INSTANTIATE_TEST_SUITE_P(
    Files, ReadsTrainingJob,
    ::testing::Values(
        Read{"EntryPoint", WithContainer("{name: pytorch, image: a, args: [--epochs, '1']}"),
             "job.yaml:33: spec.pytorchReplicaSpecs.Master.template.spec.containers[0].command is "
             "absent: the entry point of the image runs"},
        Read{"InitContainers",
             With("nodeSelector: {disk: ssd}", "initContainers: [{name: i, image: a}]"),
             "initContainers is ignored on one machine: they are not run"},
        Read{"Secret",
             With("{name: FIRST, value: a}",
                  "{name: FIRST, valueFrom: {secretKeyRef: {name: s, key: k}}}"),
             "env.FIRST.valueFrom.secretKeyRef is ignored on one machine: the file has no Secret "
             "\"s\""},
        Read{"PodField",
             With("{name: FIRST, value: a}",
                  "{name: FIRST, valueFrom: {fieldRef: {fieldPath: metadata.name}}}"),
             "no pods with \"metadata.name\""},
        Read{
            "EnvFrom",
            WithContainer("{name: pytorch, image: a, command: [x], envFrom: [{configMapRef: {name: "
                          "c}}]}"),
            "envFrom.configMapRef is ignored on one machine: the file has no ConfigMap \"c\""},
        Read{"Etcd", With("spec:\n", "spec:\n  elasticPolicy: {rdzvBackend: etcd-v2}\n"),
             "rdzvBackend is ignored on one machine: c10d is used"},
        Read{"OtherObject",
             With("apiVersion",
                  "---\n# nothing\n---\nkind: Service\nmetadata: "
                  "{name: s}\n---\napiVersion"),
             "job.yaml:4: Service \"s\" is ignored on one machine"},
        Read{"EarlierVersion", With("kubeflow.org/v1", "kubeflow.org/v1beta2"),
             "apiVersion is read as kubeflow.org/v1"},
        Read{"RunPolicyInTheSpec", With("spec:\n", "spec:\n  cleanPodPolicy: All\n"),
             "spec.cleanPodPolicy counts, though its place is in spec.runPolicy"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ParseTrainingJob, TakesTextsOfObjectsBesideIt) {
  const std::string objects =
      "kind: ConfigMap\nmetadata: {name: c}\ndata: {RATE: '0.1', file: long}\n---\n"
      "kind: Secret\nmetadata: {name: s}\ndata: {key: c2VjcmV0}\nstringData: {other: plain}\n---\n";
  const TrainingJob job =
      Parse(objects +
            WithContainer("{name: pytorch, image: a, command: [x],"
                          " envFrom: [{prefix: C_, configMapRef: {name: c}}],"
                          " env: [{name: KEY, valueFrom: {secretKeyRef: {name: s, key: key}}},"
                          " {name: OTHER, valueFrom: {secretKeyRef: {name: s, key: other}}},"
                          " {name: SPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}},"
                          " {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]}"));
  ASSERT_EQ(job.replicas.size(), 2u);
  EXPECT_THAT(job.replicas[0].env, ElementsAre(Pair("C_RATE", "0.1"), Pair("C_file", "long"),
                                               Pair("KEY", "secret"), Pair("OTHER", "plain"),
                                               Pair("SPACE", "kubeflow"), Pair("IP", "127.0.0.1")));
}

TEST(ParseTrainingJob, KeepsWhatAnImageIsStartedWith) {
  const JobSpec spec = ToJobSpec(
      Parse(WithContainer("{name: pytorch, image: a, args: [--fast], workingDir: /opt/model}")),
      "id", "/f");
  EXPECT_TRUE(spec.roles[0].image_entry_point);
  EXPECT_THAT(spec.roles[0].argv, ElementsAre("--fast"));
  EXPECT_EQ(spec.roles[0].working_directory, "/opt/model");
  EXPECT_FALSE(spec.roles[1].image_entry_point);
}

TEST(ParseTrainingJob, WaitsAsLongAsTheSlowestReplicaMay) {
  const JobSpec spec = ToJobSpec(
      Parse(With("nodeSelector: {disk: ssd}", "terminationGracePeriodSeconds: 90")), "id", "/f");
  EXPECT_EQ(spec.grace, std::chrono::seconds(90));
}

TEST(ParseTrainingJob, OneWorkerDecidesAnElasticJobWithoutMaster) {
  const std::string elastic = With("spec:\n", "spec:\n  elasticPolicy: {maxReplicas: 4}\n");
  EXPECT_FALSE(Parse(elastic).any_worker_decides);
  std::string alone = elastic;
  const std::string from = "    Master:\n      replicas: 1";
  alone.replace(alone.find(from), from.size(), "    Master:\n      replicas: 0");
  EXPECT_TRUE(Parse(alone).any_worker_decides);
}

std::string Paddle(const std::string& version, const std::string& spec) {
  return "apiVersion: " + version + "\nkind: PaddleJob\nmetadata: {name: p}\nspec:\n" + spec;
}
constexpr char kPod[] = "template: {spec: {containers: [{name: paddle, command: [python]}]}}}";

TEST(ParseTrainingJob, KnowsWhoDecidesAPaddleJob) {
  const std::string roles = std::string("  paddleReplicaSpecs:\n    Worker: {replicas: 2, ") +
                            kPod + "\n    Master: {replicas: 2, " + kPod + "\n";
  const JobSpec newer = ToJobSpec(Parse(Paddle("kubeflow.org/v1", roles)), "id", "/f");
  EXPECT_THAT(newer.deciding_ranks, ElementsAre(0, 1)) << "the masters";
  const std::string older =
      std::string("  ps: {replicas: 1, ") + kPod + "\n  worker: {replicas: 2, " + kPod + "\n";
  EXPECT_THAT(
      ToJobSpec(Parse(Paddle("batch.paddlepaddle.org/v1", older)), "id", "/f").deciding_ranks,
      IsEmpty())
      << "all of them, as that operator does";
}

TEST(ParseTrainingJob, ReadsTheOlderOperatorsPolicies) {
  const auto policy = [](const std::string& word) {
    return Parse(Paddle("batch.paddlepaddle.org/v1",
                        "  cleanPodPolicy: " + word + "\n  worker: {replicas: 1, " + kPod))
        .clean_pods;
  };
  EXPECT_EQ(policy("OnCompletion"), CleanPodPolicy::kOnSuccess);
  EXPECT_EQ(policy("OnFailure"), CleanPodPolicy::kOnFailure);
  EXPECT_EQ(policy("OnFailed"), CleanPodPolicy::kNone) << "a word that it does not know";
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
        Bad{"Version", "kubeflow.org/v1", "kubeflow.org/v3",
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
        Bad{"NoImage", "image: registry/mnist:1, command: [python3, train.py]}", "}",
            "containers[0].command: is missing, and there is no image that has one"},
        Bad{"WorkingDir", "image: registry/mnist:1, command", "workingDir: src, command",
            "workingDir: must be an absolute path, not \"src\""},
        Bad{"Nproc", "spec:\n", "spec:\n  nprocPerNode: many\n",
            "spec.nprocPerNode: must be a number of processes, auto, cpu or gpu"},
        Bad{"Backend", "spec:\n", "spec:\n  elasticPolicy: {rdzvBackend: c10}\n",
            "must be c10d, etcd or etcd-v2, not \"c10\" (did you mean \"c10d\"?)"},
        Bad{"Quantity", "cpu: 500m", "cpu: half", "limits.cpu: must be a quantity such as 500m"},
        Bad{"TooManyCpus", "cpu: 500m", "cpu: 1e18",
            "limits.cpu: must be at most 1M, not the number 1e18"},
        Bad{"TooMuchMemory", "memory: 1Gi", "memory: 1e18Pi",
            "limits.memory: must be at most 100T, not the text \"1e18Pi\""},
        Bad{"TwoJobs", "apiVersion: kubeflow.org/v1",
            "apiVersion: kubeflow.org/v1\nkind: TFJob\n---\napiVersion: kubeflow.org/v1",
            "job.yaml:4:1: is a second training job; give each a file of its own"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace regatta::job

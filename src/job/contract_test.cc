#include "job/env/contract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace regatta::job {
namespace {

// The whole environment that a contract gives: nothing is missing, nothing more is there.
class ContractTest : public ::testing::Test {
 protected:
  Env Of(Framework framework, std::vector<Role> roles, int rank) {
    spec_.id = "01hzz";
    spec_.directory = "/jobs/01hzz";
    spec_.framework = framework;
    spec_.roles = std::move(roles);
    members_ = Members(spec_);
    launch_.token = "0123abcd";
    launch_.ports = {20000, 20001};
    for (const Member& member : members_) launch_.ports.push_back(20010 + member.rank);
    return ContractEnv({spec_, members_, launch_}, members_[static_cast<std::size_t>(rank)]);
  }
  static Env Common(const std::string& rank, const std::string& size, const std::string& role) {
    return {{"RANK", rank},
            {"WORLD_SIZE", size},
            {"LOCAL_RANK", rank},
            {"LOCAL_WORLD_SIZE", size},
            {"MASTER_ADDR", "127.0.0.1"},
            {"MASTER_PORT", "20000"},
            {"ECCL_MASTER_ADDR", "127.0.0.1"},
            {"ECCL_MASTER_PORT", "20001"},
            {"ECCL_JOB_TOKEN", "0123abcd"},
            {"HOROVOD_RANK", rank},
            {"HOROVOD_SIZE", size},
            {"HOROVOD_LOCAL_RANK", rank},
            {"HOROVOD_LOCAL_SIZE", size},
            {"HOROVOD_CROSS_RANK", "0"},
            {"HOROVOD_CROSS_SIZE", "1"},
            {"REGATTA_JOB_ID", "01hzz"},
            {"REGATTA_RANK", rank},
            {"REGATTA_ROLE", role},
            {"REGATTA_METRICS_FILE", "/jobs/01hzz/metrics/rank-" + rank + ".jsonl"}};
  }
  static Env Join(Env env, const Env& more) {
    env.insert(more.begin(), more.end());
    return env;
  }

  JobSpec spec_;
  std::vector<Member> members_;
  Launch launch_;
};

TEST_F(ContractTest, Plain) {
  EXPECT_EQ(Of(Framework::kPlain, {{.replicas = 2}}, 1), Common("1", "2", "worker"));
}

TEST_F(ContractTest, PyTorch) {
  const Env env =
      Of(Framework::kPyTorch, {{.name = "master"}, {.name = "worker", .replicas = 2}}, 2);
  EXPECT_EQ(env, Join(Common("2", "3", "worker"), {{"PET_MASTER_ADDR", "127.0.0.1"},
                                                   {"PET_MASTER_PORT", "20000"},
                                                   {"PET_NODE_RANK", "2"},
                                                   {"PET_NNODES", "3"}}));
}

TEST_F(ContractTest, TensorFlowTellsTheEvaluatorButDoesNotCountIt) {
  const std::vector<Role> roles = {
      {.name = "Chief"}, {.name = "Worker", .replicas = 2}, {.name = "PS"}, {.name = "Evaluator"}};
  const std::string cluster = R"({"chief":["127.0.0.1:20010"],"ps":["127.0.0.1:20013"],)"
                              R"("worker":["127.0.0.1:20011","127.0.0.1:20012"]})";
  const Env worker = Of(Framework::kTensorFlow, roles, 2);
  EXPECT_EQ(worker, Join(Common("2", "5", "Worker"),
                         {{"TF_CONFIG", R"({"cluster":)" + cluster +
                                            R"(,"environment":"cloud",)"
                                            R"("task":{"index":1,"type":"worker"}})"}}));
  const Env evaluator = Of(Framework::kTensorFlow, roles, 4);
  EXPECT_EQ(evaluator.at("TF_CONFIG"),
            R"({"cluster":)" + cluster +
                R"(,"environment":"cloud","task":{"index":0,"type":"evaluator"}})");
}

TEST_F(ContractTest, OneTensorFlowReplicaIsNoCluster) {
  EXPECT_FALSE(Of(Framework::kTensorFlow, {{.name = "Worker"}}, 0).contains("TF_CONFIG"));
}

TEST_F(ContractTest, PaddleCollective) {
  const Env env = Of(Framework::kPaddle, {{.name = "worker", .replicas = 2}}, 1);
  EXPECT_EQ(env, Join(Common("1", "2", "worker"),
                      {{"PADDLE_JOB_ID", "01hzz"},
                       {"PADDLE_NNODES", "2"},
                       {"PADDLE_MASTER", "127.0.0.1:20000"},
                       {"PADDLE_PORT", "20011"},
                       {"TRAINER_PORTS_NUM", "1"},
                       {"PADDLE_PSERVERS_IP_PORT_LIST", ""},
                       {"PADDLE_TRAINER_ENDPOINTS", "127.0.0.1:20010,127.0.0.1:20011"},
                       {"PADDLE_CURRENT_ENDPOINT", "127.0.0.1:20011"},
                       {"PADDLE_TRAINERS", "127.0.0.1,127.0.0.1"},
                       {"PADDLE_TRAINERS_NUM", "2"},
                       {"POD_IP", "127.0.0.1"},
                       {"PADDLE_TRAINER_ID", "1"},
                       {"TRAINING_ROLE", "TRAINER"},
                       {"PADDLE_TRAINING_ROLE", "TRAINER"}}));
}

TEST_F(ContractTest, PaddleParameterServers) {
  const std::vector<Role> roles = {{.name = "ps", .replicas = 2}, {.name = "worker"}};
  const Env server = Of(Framework::kPaddle, roles, 1);
  EXPECT_EQ(server.at("TRAINING_ROLE"), "PSERVER");
  EXPECT_EQ(server.at("PADDLE_TRAINER_ID"), "1");
  EXPECT_EQ(server.at("PADDLE_SERVER_NUM"), "1");
  EXPECT_FALSE(server.contains("PADDLE_TRAINER_NUM"));
  const Env worker = Of(Framework::kPaddle, roles, 2);
  EXPECT_EQ(worker.at("PADDLE_TRAINER_ID"), "0");
  EXPECT_EQ(worker.at("PADDLE_PSERVERS_IP_PORT_LIST"), "127.0.0.1:20010,127.0.0.1:20011");
  EXPECT_EQ(worker.at("PADDLE_TRAINER_ENDPOINTS"), "127.0.0.1:20012");
  EXPECT_EQ(worker.at("PADDLE_TRAINER_NUM"), "1");
}

TEST_F(ContractTest, TheRolesEntryWinsOverTheJobsAndTheContractOverBoth) {
  Of(Framework::kPyTorch, {{.replicas = 2, .env = {{"A", "role"}, {"RANK", "7"}}}}, 0);
  spec_.env = {{"A", "job"}, {"B", "job"}, {"PYTHONUNBUFFERED", "0"}};
  members_ = Members(spec_);
  const Env env =
      ReplicaEnv({{"B", "inherited"}, {"C", "inherited"}}, {spec_, members_, launch_}, members_[1]);
  EXPECT_EQ(env.at("A"), "role");
  EXPECT_EQ(env.at("B"), "job");
  EXPECT_EQ(env.at("C"), "inherited");
  EXPECT_EQ(env.at("RANK"), "1");
  EXPECT_EQ(env.at("PYTHONUNBUFFERED"), "0");
  EXPECT_EQ(env.at("OMP_NUM_THREADS"), "1");
}

TEST_F(ContractTest, AnotherJobsVariablesAndSecretsAreNotInherited) {
  setenv("TF_CONFIG", "{}", 1);
  setenv("REGATTA_API_TOKEN", "x", 1);
  setenv("REGATTA_LOG", "debug", 1);
  const Env env = InheritedEnv();
  EXPECT_FALSE(env.contains("TF_CONFIG"));
  EXPECT_FALSE(env.contains("REGATTA_API_TOKEN"));
  EXPECT_EQ(env.at("REGATTA_LOG"), "debug");
  unsetenv("TF_CONFIG");
  unsetenv("REGATTA_API_TOKEN");
  unsetenv("REGATTA_LOG");
}

}  // namespace
}  // namespace regatta::job

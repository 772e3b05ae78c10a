#include "job/env/contract.h"

#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "job/kubeflow/model.h"

namespace regatta::job {
namespace {

using AddFunction = void (*)(const World&, const Member&, Env*);

struct Contract {
  Framework framework;
  AddFunction add;
};

constexpr Contract kContracts[] = {
    {Framework::kPlain, nullptr},
    {Framework::kPyTorch, AddPyTorch},
    {Framework::kTensorFlow, AddTensorFlow},
    {Framework::kPaddle, AddPaddle},
};

// Names that describe one replica of one job. Inherited ones are another job's (regatta may run
// inside a step) and would be believed by a library that looks for them.
constexpr std::string_view kOwned[] = {
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "ECCL_MASTER_ADDR",
    "ECCL_MASTER_PORT",
    "ECCL_JOB_TOKEN",
    "HOROVOD_RANK",
    "HOROVOD_SIZE",
    "HOROVOD_LOCAL_RANK",
    "HOROVOD_LOCAL_SIZE",
    "HOROVOD_CROSS_RANK",
    "HOROVOD_CROSS_SIZE",
    "PET_MASTER_ADDR",
    "PET_MASTER_PORT",
    "PET_NODE_RANK",
    "PET_NNODES",
    "TF_CONFIG",
    "PADDLE_JOB_ID",
    "PADDLE_NNODES",
    "PADDLE_MASTER",
    "PADDLE_SERVER_NUM",
    "PADDLE_TRAINER_NUM",
    "PADDLE_PORT",
    "TRAINER_PORTS_NUM",
    "PADDLE_PSERVERS_IP_PORT_LIST",
    "PADDLE_TRAINER_ENDPOINTS",
    "PADDLE_CURRENT_ENDPOINT",
    "PADDLE_TRAINERS",
    "PADDLE_TRAINERS_NUM",
    "POD_IP",
    "PADDLE_TRAINER_ID",
    "TRAINING_ROLE",
    "PADDLE_TRAINING_ROLE",
    "REGATTA_JOB_ID",
    "REGATTA_RANK",
    "REGATTA_ROLE",
    "REGATTA_METRICS_FILE",
};

bool IsSecretOfOurs(std::string_view name) {
  if (!name.starts_with("REGATTA_")) return false;
  for (const std::string_view part : {"TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "STORE"}) {
    if (name.find(part) != std::string_view::npos) return true;  // a store's URL has a password
  }
  return false;
}

}  // namespace

std::vector<Member> Members(const JobSpec& spec) {
  std::vector<Member> members;
  for (const Role& role : spec.roles) {
    for (int index = 0; index < role.replicas; ++index) {
      members.push_back({static_cast<int>(members.size()), &role, index});
    }
  }
  return members;
}

std::string World::EndpointOf(int rank) const {
  return std::string(kLoopback) + ":" + std::to_string(PortOf(rank));
}

Env ContractEnv(const World& world, const Member& member) {
  Env env;
  AddCommon(world, member, &env);
  for (const Contract& contract : kContracts) {
    if (contract.framework == world.spec.framework && contract.add != nullptr) {
      contract.add(world, member, &env);
    }
  }
  return env;
}

Env InheritedEnv() {
  Env env;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = text.substr(0, equals);
    if (IsSecretOfOurs(name) || std::ranges::find(kOwned, name) != std::end(kOwned)) continue;
    env.emplace(name, text.substr(equals + 1));
  }
  return env;
}

std::vector<std::string> ReplicaArgv(const World& world, const Member& member) {
  std::vector<std::string> argv = member.role->argv;
  if (!member.role->expand_references) return argv;
  Env known = member.role->env;
  for (const auto& [name, value] : ContractEnv(world, member)) known[name] = value;
  std::size_t room = kMostExpanded;
  for (std::string& word : argv) {
    word = ExpandReferences(word, known, room);
    room -= std::min(room, word.size());
  }
  return argv;
}

Env ReplicaEnv(const Env& inherited, const World& world, const Member& member) {
  Env env = inherited;
  const Env contract = ContractEnv(world, member);
  for (const auto& [name, value] : world.spec.env) {
    env[name] = member.role->expand_references ? ExpandReferences(value, contract) : value;
  }
  for (const auto& [name, value] : member.role->env) env[name] = value;
  for (const auto& [name, value] : contract) env[name] = value;
  const Framework framework = world.spec.framework;
  if (framework == Framework::kPyTorch || framework == Framework::kPaddle) {
    env.emplace("PYTHONUNBUFFERED", "1");
  }
  if (framework == Framework::kPyTorch) {
    // As torchrun does: several ranks on one machine would each start a thread for every CPU.
    const double cpus = member.role->resources.cpus;
    if (world.members.size() > 1) {
      env.emplace("OMP_NUM_THREADS", std::to_string(static_cast<int>(std::clamp(cpus, 1.0, 1e6))));
    }
  }
  return env;
}

}  // namespace regatta::job

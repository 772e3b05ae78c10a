#include <algorithm>

#include "job/env/contract.h"

namespace regatta::job {
namespace {

// Parameter servers: role "ps" of the older operator, "master" of Kubeflow's.
bool IsServer(const Member& member) {
  return member.role->name == "ps" || member.role->name == "pserver" ||
         member.role->name == "master";
}

void AddTo(std::string* list, const std::string& item) {
  if (!list->empty()) *list += ',';
  *list += item;
}

}  // namespace

// Both operators that know PaddleJobs, because users come from both: Kubeflow's (PADDLE_MASTER and
// friends, for paddle.distributed.launch) and the older paddle-operator (lists of end points).
void AddPaddle(const World& world, const Member& member, Env* env) {
  Env& out = *env;
  const bool server = IsServer(member);
  out["PADDLE_JOB_ID"] = world.spec.id;
  out["PADDLE_NNODES"] = std::to_string(world.members.size());
  out["PADDLE_MASTER"] = std::string(kLoopback) + ":" + std::to_string(world.MasterPort());
  if (std::ranges::any_of(world.members, IsServer)) {
    out[server ? "PADDLE_SERVER_NUM" : "PADDLE_TRAINER_NUM"] = "1";
  }

  std::string servers;
  std::string trainers;
  std::string hosts;
  int trainer_count = 0;
  int id = 0;
  for (const Member& other : world.members) {
    if (IsServer(other) == server && other.rank < member.rank) ++id;
    if (IsServer(other)) {
      AddTo(&servers, world.EndpointOf(other.rank));
    } else {
      AddTo(&trainers, world.EndpointOf(other.rank));
      AddTo(&hosts, kLoopback);
      ++trainer_count;
    }
  }
  out["PADDLE_PORT"] = std::to_string(world.PortOf(member.rank));
  out["TRAINER_PORTS_NUM"] = "1";
  out["PADDLE_PSERVERS_IP_PORT_LIST"] = servers;
  out["PADDLE_TRAINER_ENDPOINTS"] = trainers;
  out["PADDLE_CURRENT_ENDPOINT"] = world.EndpointOf(member.rank);
  out["PADDLE_TRAINERS"] = hosts;
  out["PADDLE_TRAINERS_NUM"] = std::to_string(trainer_count);
  out["POD_IP"] = kLoopback;
  out["PADDLE_TRAINER_ID"] = std::to_string(id);
  out["TRAINING_ROLE"] = server ? "PSERVER" : "TRAINER";
  out["PADDLE_TRAINING_ROLE"] = out["TRAINING_ROLE"];
}

}  // namespace regatta::job

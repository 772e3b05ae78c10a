#include "job/env/contract.h"

namespace regatta::job {

// Kubeflow's PyTorchJob: each replica is a "node" of torchrun with one process.
void AddPyTorch(const World& world, const Member& member, Env* env) {
  Env& out = *env;
  out["PET_MASTER_ADDR"] = kLoopback;
  out["PET_MASTER_PORT"] = std::to_string(world.MasterPort());
  out["PET_NODE_RANK"] = std::to_string(member.rank);
  out["PET_NNODES"] = std::to_string(world.members.size());
}

}  // namespace regatta::job

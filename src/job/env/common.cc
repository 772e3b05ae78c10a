#include "job/env/contract.h"

namespace regatta::job {

void AddCommon(const World& world, const Member& member, Env* env) {
  const std::string rank = std::to_string(member.rank);
  const std::string size = std::to_string(world.members.size());
  Env& out = *env;
  // One machine: local rank and rank are the same. torch.distributed reads these ("env://").
  out["RANK"] = rank;
  out["WORLD_SIZE"] = size;
  out["LOCAL_RANK"] = rank;
  out["LOCAL_WORLD_SIZE"] = size;
  out["MASTER_ADDR"] = kLoopback;
  out["MASTER_PORT"] = std::to_string(world.MasterPort());

  out["ECCL_MASTER_ADDR"] = kLoopback;
  out["ECCL_MASTER_PORT"] = std::to_string(world.EcclPort());
  out["ECCL_JOB_TOKEN"] = world.launch.token;

  out["HOROVOD_RANK"] = rank;
  out["HOROVOD_SIZE"] = size;
  out["HOROVOD_LOCAL_RANK"] = rank;
  out["HOROVOD_LOCAL_SIZE"] = size;
  out["HOROVOD_CROSS_RANK"] = "0";
  out["HOROVOD_CROSS_SIZE"] = "1";

  out["REGATTA_JOB_ID"] = world.spec.id;
  out["REGATTA_RANK"] = rank;
  out["REGATTA_ROLE"] = member.role->name;
  out["REGATTA_METRICS_FILE"] = MetricsPath(world.spec.directory, member.rank);
}

}  // namespace regatta::job

#include <algorithm>
#include <cctype>

#include "base/json.h"
#include "job/env/contract.h"

namespace regatta::job {
namespace {

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

// Kubeflow's TFJob: one variable that describes the whole cluster; none where there is only one
// replica, which TensorFlow would else take for a cluster. An evaluator is told about the cluster
// but is no part of it.
void AddTensorFlow(const World& world, const Member& member, Env* env) {
  if (world.members.size() == 1) return;
  base::Json cluster = base::Json::object();
  for (const Member& other : world.members) {
    const std::string role = Lower(other.role->name);
    if (role != "evaluator") cluster[role].push_back(world.EndpointOf(other.rank));
  }
  (*env)["TF_CONFIG"] =
      base::DumpJson({{"cluster", cluster},
                      {"task", {{"type", Lower(member.role->name)}, {"index", member.index}}},
                      {"environment", "cloud"}});
}

}  // namespace regatta::job

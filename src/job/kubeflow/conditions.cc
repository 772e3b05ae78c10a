#include "job/kubeflow/records.h"

namespace regatta::job {

using base::Json;
using base::Micros;

// Kubeflow's conditions: of each type one, the last changed one at the end. Running and Restarting
// take each other's place, the end of the job makes Running false, and nothing changes after
// Failed.
void SetCondition(TrainingRecord& record, const std::string& type, bool holds,
                  const std::string& reason, const std::string& message) {
  const Json before = record.status.value("conditions", Json::array());
  const Micros now = base::NowMicros();
  const char* const status = holds ? "True" : "False";
  Json changed = {{"type", type},       {"status", status},        {"reason", reason},
                  {"message", message}, {"last_update_time", now}, {"last_transition_time", now}};
  const bool ends = type == "Succeeded" || type == "Failed";
  bool known = false;
  Json after = Json::array();
  for (Json condition : before) {
    const std::string its = condition.value("type", "");
    const bool same_status = condition.value("status", "") == status;
    if (its == "Failed" && condition.value("status", "") == "True") return;
    if (its == type) {
      if (same_status && condition.value("reason", "") == reason) return;
      if (same_status) changed["last_transition_time"] = condition["last_transition_time"];
      known = true;
      continue;
    }
    if (type == "Running" && holds && its == "Restarting") continue;
    if (type == "Restarting" && its == "Running") continue;
    if (ends && its == "Running" && condition.value("status", "") == "True") {
      condition["status"] = "False";
      condition["last_transition_time"] = now;
    }
    after.push_back(std::move(condition));
  }
  if (!holds && !known) return;
  after.push_back(std::move(changed));
  record.status["conditions"] = std::move(after);
}

void Unset(TrainingRecord& record, const std::string& type, const std::string& reason,
           const std::string& message) {
  SetCondition(record, type, false, reason, message);
}

}  // namespace regatta::job

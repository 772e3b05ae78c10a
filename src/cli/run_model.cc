#include "cli/run_model.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace regatta::cli {
namespace {

// "epoch 3: loss=0.1234 accuracy=0.95". Metrics of an older step of the training loop are left out.
std::string Spell(const std::map<std::string, base::Json>& points) {
  std::int64_t latest = -1;
  for (const auto& [name, point] : points) {
    latest = std::max(latest, point.value("step", std::int64_t{-1}));
  }
  std::string text;
  for (const auto& [name, point] : points) {
    const std::int64_t step = point.value("step", std::int64_t{-1});
    if (step >= 0 && step < latest) continue;
    const auto value = point.find("value");
    absl::StrAppend(&text, text.empty() ? "" : " ", name, "=",
                    value != point.end() && value->is_number()
                        ? absl::StrFormat("%.4g", value->get<double>())
                        : "nan");
  }
  return latest >= 0 ? absl::StrCat("[", latest, "] ", text) : text;
}

}  // namespace

bool IsFinalState(const std::string& state) {
  return state != "pending" && state != "running" && state != "terminating";
}

bool RunModel::final() const { return IsFinalState(state()); }

void RunModel::SetRun(const base::Json& run) {
  if (final() && !IsFinalState(run.value("state", "pending"))) return;
  run_.update(run);
}

bool RunModel::SetStep(const base::Json& json) {
  const std::string id = json.value("id", "");
  const auto [it, is_new] = index_.try_emplace(id, steps_.size());
  if (is_new) steps_.emplace_back();
  StepRow& row = steps_[it->second];
  const std::string state = json.value("state", "pending");
  if (IsFinalState(row.state) && !row.state.empty() && !IsFinalState(state)) return false;
  const std::string reason = json.value("reason", "");
  const bool changed = is_new || row.state != state;
  row.id = id;
  row.parent_id = json.value("parent_id", "");
  row.name = json.value("name", "");
  row.node = json.value("node", "");
  row.kind = json.value("kind", "");
  row.state = state;
  row.reason = reason.substr(0, reason.find('\n'));
  row.cached = json.value("cached", false);
  row.loop_index = json.value("loop_index", -1);
  row.started_at = json.value("started_at", base::Micros{0});
  row.finished_at = json.value("finished_at", base::Micros{0});
  if (const auto metrics = json.find("last_metrics"); metrics != json.end()) {
    for (const auto& [name, point] : metrics->items()) metrics_[id][name] = point;
    row.metrics = Spell(metrics_[id]);
  }
  return changed;
}

bool RunModel::SetMetric(const base::Json& event) {
  const auto it = index_.find(event.value("step_id", ""));
  if (it == index_.end()) return false;
  auto& points = metrics_[it->first];
  points[event.value("name", "")] = event.value("point", base::Json::object());
  steps_[it->second].metrics = Spell(points);
  return true;
}

const StepRow* RunModel::Find(const std::string& id) const {
  const auto it = index_.find(id);
  return it == index_.end() ? nullptr : &steps_[it->second];
}

std::string DurationOf(const StepRow& step, base::Micros now) {
  if (step.started_at == 0) return "";
  return base::FormatDuration((step.finished_at != 0 ? step.finished_at : now) - step.started_at);
}

}  // namespace regatta::cli

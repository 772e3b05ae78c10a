#include "flow/views.h"

#include <array>
#include <utility>

namespace regatta::flow {
namespace {

using base::Json;

constexpr std::array<const char*, 6> kRunNames = {"pending", "running",     "succeeded",
                                                  "failed",  "terminating", "terminated"};
constexpr std::array<const char*, 8> kStepNames = {"pending",   "running",     "succeeded",
                                                   "failed",    "terminating", "terminated",
                                                   "cancelled", "skipped"};

template <typename State, std::size_t size>
std::optional<State> Find(const std::array<const char*, size>& names, std::string_view name) {
  for (std::size_t i = 0; i < size; ++i) {
    if (name == names[i]) return static_cast<State>(i);
  }
  return std::nullopt;
}

void PutTime(Json& json, const char* name, base::Micros time) {
  if (time != 0) json[name] = time;
}

Json RankJson(const RankView& rank) {
  Json json = {
      {"rank", rank.rank}, {"role", rank.role}, {"index", rank.index}, {"state", rank.state}};
  if (rank.pid != 0) json["pid"] = rank.pid;
  if (rank.exit_code) json["exit_code"] = *rank.exit_code;
  if (rank.signal) json["signal"] = *rank.signal;
  PutTime(json, "started_at", rank.started_at);
  PutTime(json, "finished_at", rank.finished_at);
  json["log_bytes"] = rank.log_bytes;
  if (!rank.message.empty()) json["message"] = rank.message;
  return json;
}

Json CacheJson(const CacheReport& cache) {
  Json json = {{"outcome", cache.outcome}, {"reason", cache.reason}};
  if (!cache.key.empty()) json["key"] = cache.key;
  if (!cache.from_run_id.empty()) json["from_run_id"] = cache.from_run_id;
  if (!cache.from_step_id.empty()) json["from_step_id"] = cache.from_step_id;
  json["parts"] = Json::array();
  for (const CachePart& part : cache.parts) {
    Json item = {{"name", part.name}, {"value", part.value}, {"changed", part.changed}};
    if (part.previous) item["previous"] = *part.previous;
    json["parts"].push_back(std::move(item));
  }
  return json;
}

}  // namespace

const char* StateName(RunState state) { return kRunNames[static_cast<std::size_t>(state)]; }
const char* StateName(StepState state) { return kStepNames[static_cast<std::size_t>(state)]; }
std::optional<RunState> RunStateFrom(std::string_view name) {
  return Find<RunState>(kRunNames, name);
}
std::optional<StepState> StepStateFrom(std::string_view name) {
  return Find<StepState>(kStepNames, name);
}

bool IsFinal(RunState state) {
  return state == RunState::kSucceeded || state == RunState::kFailed ||
         state == RunState::kTerminated;
}
bool IsFinal(StepState state) {
  return state != StepState::kPending && state != StepState::kRunning &&
         state != StepState::kTerminating;
}

Json ToJson(const ArtifactView& artifact) {
  Json json = {{"name", artifact.name}, {"path", artifact.path}, {"kind", artifact.kind}};
  if (artifact.kind != "missing") json["bytes"] = artifact.bytes;
  if (!artifact.digest.empty()) json["digest"] = artifact.digest;
  if (!artifact.media_type.empty()) json["media_type"] = artifact.media_type;
  if (!artifact.from.empty()) json["from"] = artifact.from;
  if (!artifact.files.empty()) json["files"] = artifact.files;
  return json;
}

Json ToJson(const RunView& run) {
  Json json = {{"id", run.id},
               {"project", run.project},
               {"created_by", run.created_by},
               {"name", run.name},
               {"pipeline", run.pipeline},
               {"source", run.source},
               {"state", StateName(run.state)},
               {"message", run.message},
               {"created_at", run.created_at},
               {"step_counts", run.step_counts},
               {"cached_steps", run.cached_steps}};
  if (!run.retry_of.empty()) json["retry_of"] = run.retry_of;
  if (!run.pipeline_id.empty()) {
    json["pipeline_id"] = run.pipeline_id;
    json["pipeline_version"] = run.pipeline_version;
  }
  PutTime(json, "started_at", run.started_at);
  PutTime(json, "finished_at", run.finished_at);
  return json;
}

Json ToJson(const RunDetail& run) {
  Json json = ToJson(static_cast<const RunView&>(run));
  json["yaml"] = run.yaml;
  json["parameters"] = run.parameters;
  json["last_event_id"] = run.last_event_id;
  return json;
}

Json ToJson(const MetricPoint& point) {
  Json json = {{"value", point.value ? Json(*point.value) : Json()}, {"time", point.time}};
  if (point.step) json["step"] = *point.step;
  return json;
}

Json ToJson(const StepView& step) {
  Json json = {{"id", step.id},
               {"run_id", step.run_id},
               {"name", step.name},
               {"node", step.node},
               {"kind", step.kind},
               {"state", StateName(step.state)},
               {"cached", step.cached},
               {"reason", step.reason},
               {"deps", step.deps},
               {"replicas", step.replicas},
               {"created_at", step.created_at}};
  if (!step.parent_id.empty()) json["parent_id"] = step.parent_id;
  if (step.loop_index) {
    json["loop_index"] = *step.loop_index;
    json["loop_argument"] = step.loop_argument;
  }
  PutTime(json, "started_at", step.started_at);
  PutTime(json, "finished_at", step.finished_at);
  if (!step.last_metrics.empty()) {
    Json& metrics = json["last_metrics"];
    for (const auto& [name, point] : step.last_metrics) metrics[name] = ToJson(point);
  }
  return json;
}

Json ToJson(const StepDetail& step) {
  Json json = ToJson(static_cast<const StepView&>(step));
  json["command"] = step.command;
  if (!step.condition.empty()) json["condition"] = step.condition;
  json["interpreter"] = step.interpreter;
  json["parameters"] = step.parameters;
  json["env"] = step.env;
  json["attempts"] = step.attempts;
  json["inputs"] = Json::array();
  for (const ArtifactView& artifact : step.inputs) json["inputs"].push_back(ToJson(artifact));
  json["outputs"] = Json::array();
  for (const ArtifactView& artifact : step.outputs) json["outputs"].push_back(ToJson(artifact));
  json["ranks"] = Json::array();
  for (const RankView& rank : step.ranks) json["ranks"].push_back(RankJson(rank));
  json["cache"] = CacheJson(step.cache);
  return json;
}

Json ToJson(const std::vector<MetricSeries>& series) {
  Json items = Json::array();
  for (const MetricSeries& one : series) {
    Json points = Json::array();
    for (const MetricPoint& point : one.points) points.push_back(ToJson(point));
    items.push_back({{"name", one.name}, {"points", std::move(points)}});
  }
  return {{"items", std::move(items)}};
}

}  // namespace regatta::flow

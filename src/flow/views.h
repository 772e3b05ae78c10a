#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace regatta::flow {

// What the engine tells the outside. ToJson gives exactly the shapes of docs/openapi.yaml.

enum class RunState { kPending, kRunning, kSucceeded, kFailed, kTerminating, kTerminated };
enum class StepState {
  kPending,
  kRunning,
  kSucceeded,
  kFailed,
  kTerminating,
  kTerminated,
  kCancelled,
  kSkipped
};
const char* StateName(RunState state);  // "running"
const char* StateName(StepState state);
std::optional<RunState> RunStateFrom(std::string_view name);
std::optional<StepState> StepStateFrom(std::string_view name);
bool IsFinal(RunState state);
bool IsFinal(StepState state);

struct RunView {
  std::string id, project, created_by, name, pipeline, source;
  std::string retry_of;     // the run that this one retries; empty for a fresh one
  std::string pipeline_id;  // the stored pipeline it was started from; empty for a text of its own
  std::int64_t pipeline_version = 0;
  RunState state = RunState::kPending;
  std::string message;
  base::Micros created_at = 0, started_at = 0, finished_at = 0;  // 0: not yet
  std::map<std::string, int> step_counts;                        // by StateName
  int cached_steps = 0;
};

struct RunDetail : RunView {
  std::string yaml;
  base::Json parameters = base::Json::object();
  std::int64_t last_event_id = 0;
};

struct MetricPoint {
  std::optional<double> value;  // absent: not a finite number
  std::optional<std::int64_t> step;
  base::Micros time = 0;
};

struct StepView {
  std::string id, run_id, name, node, kind, parent_id;
  StepState state = StepState::kPending;
  bool cached = false;
  std::string reason;
  std::vector<std::string> deps;
  std::optional<int> loop_index;
  base::Json loop_argument;  // null outside loops
  int replicas = 0;
  base::Micros created_at = 0, started_at = 0, finished_at = 0;
  std::map<std::string, MetricPoint> last_metrics;
};

struct ArtifactView {
  std::string name, path, kind /* file folder missing */, digest, media_type, from;
  std::int64_t bytes = 0;
  std::vector<std::string> files;
};

struct CachePart {
  std::string name, value;
  std::optional<std::string> previous;
  bool changed = false;
};

struct CacheReport {
  std::string outcome = "pending";  // disabled pending hit miss taken_over
  std::string reason, key, from_run_id, from_step_id;
  std::vector<CachePart> parts;
};

struct RankView {
  int rank = 0, index = 0, pid = 0;
  std::string role, state, message;
  std::optional<int> exit_code, signal;
  base::Micros started_at = 0, finished_at = 0;
  std::int64_t log_bytes = 0;
};

struct StepDetail : StepView {
  std::string command, condition, interpreter;
  base::Json parameters = base::Json::object();
  std::map<std::string, std::string> env;
  std::vector<ArtifactView> inputs, outputs;
  int attempts = 0;
  std::vector<RankView> ranks;
  CacheReport cache;
};

struct MetricSeries {
  std::string name;
  std::vector<MetricPoint> points;
};

base::Json ToJson(const ArtifactView& artifact);
base::Json ToJson(const RunView& run);
base::Json ToJson(const RunDetail& run);
base::Json ToJson(const StepView& step);
base::Json ToJson(const StepDetail& step);
base::Json ToJson(const MetricPoint& point);
base::Json ToJson(const std::vector<MetricSeries>& series);

}  // namespace regatta::flow

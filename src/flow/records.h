#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "flow/cache_key.h"
#include "flow/run_state.h"
#include "store/store.h"

namespace regatta::flow {

// How runs are kept in the store. Rows of a run and its steps are written from the engine's memory;
// reading them back is in queries.cc (for the outside) and recovery.cc (for the engine).

store::Schema FlowSchema();

absl::Status WriteRun(store::Transaction& transaction, const Run& run);
// The row, and its details when they changed.
absl::Status WriteStep(store::Transaction& transaction, const StepRun& step);

// A success that may be reused.
struct CacheRecord {
  std::string step_id, project, created_by, cache_key, run_id, run_name, step_name, job_folder;
  base::Micros finished_at = 0;
  std::string outputs;  // JSON
};
absl::Status WriteCacheRecord(store::Transaction& transaction, const CacheRecord& record);

// What a step depended on when it ran last, to explain the next time.
struct LatestRecord {
  std::string project, created_by, pipeline, step_name, run_id, run_name, step_id, state, cache_key;
  std::string parts;  // JSON
};
absl::Status WriteLatest(store::Transaction& transaction, const LatestRecord& record);

// One point of a series, the n-th that the step logged. Series stay below kMostPoints rows: a point
// is kept when n is a multiple of a stride that doubles as the series grows.
struct MetricRecord {
  std::string step_id, run_id, project, created_by, series;
  std::int64_t n = 0;
  MetricPoint point;
};
inline constexpr std::int64_t kMostPoints = 10'000;
std::int64_t StrideAt(std::int64_t n);
absl::Status WriteMetric(store::Transaction& transaction, const MetricRecord& record);
absl::Status WriteLastMetrics(store::Transaction& transaction, const StepRun& step);

struct EventRecord {
  std::int64_t id = 0;
  std::string type, run_id, project, data;
};
inline constexpr std::int64_t kEventsKept = 100'000;
absl::Status WriteEvent(store::Transaction& transaction, const EventRecord& record);
absl::Status DropOldEvents(store::Transaction& transaction, std::int64_t last_id);

// JSON columns, as stored_text.h writes them.
std::map<std::string, ArtifactList> OutputsFromJson(const base::Json& json);
CacheReport CacheReportFrom(const base::Json& json);
std::vector<RankView> RanksFromJson(const base::Json& json);
std::map<std::string, MetricPoint> LastMetricsFrom(const base::Json& json);
// Empty object when the text is no JSON.
base::Json JsonColumn(const std::string& text);

}  // namespace regatta::flow

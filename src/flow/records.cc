#include "flow/records.h"

#include "base/absl_status.h"
#include "flow/result_records.h"
#include "flow/stored_text.h"

namespace regatta::flow {
namespace {

using base::DumpJson;
using base::Json;
using store::Value;

std::string LowerCase(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// Unfinished runs still grow: they sort as the longest.
std::int64_t DurationOf(const Run& run) {
  return run.finished_at == 0 ? INT64_MAX : run.finished_at - run.created_at;
}

// The database holds text, and text has no NUL; names from outside may.
std::string Clean(const std::string& text) {
  if (text.find('\0') == std::string::npos) return text;
  std::string clean;
  for (const char c : text) {
    if (c == '\0') {
      clean += "\\0";
    } else {
      clean += c;
    }
  }
  return clean;
}

}  // namespace

store::Schema FlowSchema() {
  return {
      "flow",
      {{1,
        "runs, steps, cache, metrics and events",
        {
            R"(CREATE TABLE flow_runs (
                 id TEXT PRIMARY KEY, project TEXT NOT NULL, created_by TEXT NOT NULL,
                 name TEXT NOT NULL, pipeline TEXT NOT NULL, search TEXT NOT NULL,
                 source TEXT NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL,
                 created_at BIGINT NOT NULL, started_at BIGINT NOT NULL, finished_at BIGINT NOT NULL,
                 duration BIGINT NOT NULL, stop BIGINT NOT NULL, failing BIGINT NOT NULL,
                 counts TEXT NOT NULL, cached_steps BIGINT NOT NULL,
                 request_digest TEXT NOT NULL))",
            "CREATE INDEX flow_runs_created ON flow_runs (project, created_at, id)",
            "CREATE INDEX flow_runs_name ON flow_runs (project, name, id)",
            "CREATE INDEX flow_runs_state ON flow_runs (project, state, id)",
            "CREATE INDEX flow_runs_state_created ON flow_runs (project, state, created_at, id)",
            "CREATE INDEX flow_runs_duration ON flow_runs (project, duration, id)",
            "CREATE INDEX flow_runs_search ON flow_runs (project, search)",
            "CREATE INDEX flow_runs_active ON flow_runs (finished_at)",
            // Apart, so that lists do not read past long texts.
            R"(CREATE TABLE flow_run_specs (
                 run_id TEXT PRIMARY KEY, project TEXT NOT NULL, created_by TEXT NOT NULL,
                 working_directory TEXT NOT NULL, yaml TEXT NOT NULL, parameters TEXT NOT NULL,
                 disabled TEXT NOT NULL))",
            R"(CREATE TABLE flow_steps (
                 id TEXT PRIMARY KEY, run_id TEXT NOT NULL, project TEXT NOT NULL,
                 created_by TEXT NOT NULL, ordinal BIGINT NOT NULL, parent_id TEXT NOT NULL,
                 node TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, loop_index BIGINT,
                 loop_argument TEXT NOT NULL, state TEXT NOT NULL, cached BIGINT NOT NULL,
                 reason TEXT NOT NULL, deps TEXT NOT NULL, replicas BIGINT NOT NULL,
                 created_at BIGINT NOT NULL, started_at BIGINT NOT NULL, finished_at BIGINT NOT NULL,
                 job_id TEXT NOT NULL, attempts BIGINT NOT NULL, last_metrics TEXT NOT NULL))",
            "CREATE UNIQUE INDEX flow_steps_run ON flow_steps (run_id, ordinal)",
            R"(CREATE TABLE flow_step_details (
                 step_id TEXT PRIMARY KEY, run_id TEXT NOT NULL, project TEXT NOT NULL,
                 created_by TEXT NOT NULL, detail TEXT NOT NULL, job_spec TEXT NOT NULL))",
            "CREATE INDEX flow_step_details_run ON flow_step_details (run_id)",
            R"(CREATE TABLE flow_cache (
                 step_id TEXT PRIMARY KEY, project TEXT NOT NULL, created_by TEXT NOT NULL,
                 cache_key TEXT NOT NULL, run_id TEXT NOT NULL, run_name TEXT NOT NULL,
                 step_name TEXT NOT NULL, finished_at BIGINT NOT NULL, job_folder TEXT NOT NULL,
                 outputs TEXT NOT NULL))",
            "CREATE INDEX flow_cache_key ON flow_cache (project, cache_key, finished_at)",
            R"(CREATE TABLE flow_step_latest (
                 project TEXT NOT NULL, pipeline TEXT NOT NULL, step_name TEXT NOT NULL,
                 created_by TEXT NOT NULL, run_id TEXT NOT NULL, run_name TEXT NOT NULL,
                 step_id TEXT NOT NULL, state TEXT NOT NULL, cache_key TEXT NOT NULL,
                 parts TEXT NOT NULL, PRIMARY KEY (project, pipeline, step_name)))",
            R"(CREATE TABLE flow_metrics (
                 step_id TEXT NOT NULL, series TEXT NOT NULL, n BIGINT NOT NULL,
                 run_id TEXT NOT NULL, project TEXT NOT NULL, created_by TEXT NOT NULL,
                 value DOUBLE PRECISION, step BIGINT, time BIGINT NOT NULL,
                 PRIMARY KEY (step_id, series, n)))",
            R"(CREATE TABLE flow_events (
                 id BIGINT PRIMARY KEY, type TEXT NOT NULL, run_id TEXT NOT NULL,
                 project TEXT NOT NULL, data TEXT NOT NULL))",
            "CREATE INDEX flow_events_run ON flow_events (run_id, id)",
        }},
       {2,
        "runs that retry a run",
        {
            "ALTER TABLE flow_runs ADD COLUMN retry_of TEXT NOT NULL DEFAULT ''",
        }},
       {3,
        "stored pipelines, lists of artifacts, deleting runs",
        {
            R"(CREATE TABLE flow_pipelines (
                 id TEXT PRIMARY KEY, project TEXT NOT NULL, created_by TEXT NOT NULL,
                 name TEXT NOT NULL, description TEXT NOT NULL, created_at BIGINT NOT NULL,
                 updated_at BIGINT NOT NULL, last_version BIGINT NOT NULL))",
            "CREATE UNIQUE INDEX flow_pipelines_name ON flow_pipelines (project, name)",
            R"(CREATE TABLE flow_pipeline_versions (
                 pipeline_id TEXT NOT NULL, version BIGINT NOT NULL, project TEXT NOT NULL,
                 created_by TEXT NOT NULL, description TEXT NOT NULL, source TEXT NOT NULL,
                 digest TEXT NOT NULL, created_at BIGINT NOT NULL, yaml TEXT NOT NULL,
                 PRIMARY KEY (pipeline_id, version)))",
            "ALTER TABLE flow_runs ADD COLUMN pipeline_id TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE flow_runs ADD COLUMN pipeline_version BIGINT NOT NULL DEFAULT 0",
            "CREATE INDEX flow_runs_pipeline ON flow_runs (pipeline_id, created_at)",
            R"(CREATE TABLE flow_artifacts (
                 step_id TEXT NOT NULL, name TEXT NOT NULL, run_id TEXT NOT NULL,
                 project TEXT NOT NULL, created_by TEXT NOT NULL, step_name TEXT NOT NULL,
                 kind TEXT NOT NULL, digest TEXT NOT NULL, bytes BIGINT NOT NULL,
                 path TEXT NOT NULL, from_run_id TEXT NOT NULL, from_step_id TEXT NOT NULL,
                 created_at BIGINT NOT NULL, PRIMARY KEY (step_id, name)))",
            "CREATE INDEX flow_artifacts_run ON flow_artifacts (run_id)",
            "CREATE INDEX flow_artifacts_created ON flow_artifacts (project, created_at, step_id)",
            "CREATE INDEX flow_artifacts_digest ON flow_artifacts (digest)",
            // Which run took results of which.
            R"(CREATE TABLE flow_run_uses (
                 run_id TEXT NOT NULL, from_run_id TEXT NOT NULL, project TEXT NOT NULL,
                 created_by TEXT NOT NULL, PRIMARY KEY (run_id, from_run_id)))",
            "CREATE INDEX flow_run_uses_from ON flow_run_uses (from_run_id)",
            "CREATE INDEX flow_cache_run ON flow_cache (run_id)",
            "CREATE INDEX flow_cache_finished ON flow_cache (project, finished_at, step_id)",
            // Gone for everybody; their steps and folders may still be there.
            R"(CREATE TABLE flow_deleted_runs (
                 run_id TEXT PRIMARY KEY, project TEXT NOT NULL, created_by TEXT NOT NULL))",
            // Made before the tables above: the next owner fills these in.
            R"(CREATE TABLE flow_unlisted_runs (
                 run_id TEXT PRIMARY KEY, project TEXT NOT NULL, created_by TEXT NOT NULL))",
            R"(INSERT INTO flow_unlisted_runs (run_id, project, created_by)
                 SELECT id, project, created_by FROM flow_runs)",
        }},
       {4,
        "indexes that sort and filter by themselves",
        {
            "DROP INDEX flow_cache_key",
            "CREATE INDEX flow_cache_key ON flow_cache (project, cache_key, finished_at, step_id)",
            // What lists filter by stands behind what they sort by: a run that does not match is
            // passed over without its row.
            "DROP INDEX flow_runs_created",
            "DROP INDEX flow_runs_name",
            "DROP INDEX flow_runs_state",
            "DROP INDEX flow_runs_state_created",
            "DROP INDEX flow_runs_duration",
            "DROP INDEX flow_runs_search",
            R"(CREATE INDEX flow_runs_created
                 ON flow_runs (project, created_at, id, state, search, pipeline, created_by))",
            R"(CREATE INDEX flow_runs_name
                 ON flow_runs (project, name, id, state, search, pipeline, created_by))",
            R"(CREATE INDEX flow_runs_state
                 ON flow_runs (project, state, id, search, pipeline, created_by))",
            R"(CREATE INDEX flow_runs_state_created
                 ON flow_runs (project, state, created_at, id, search))",
            R"(CREATE INDEX flow_runs_duration
                 ON flow_runs (project, duration, id, state, search, pipeline, created_by))",
        }}}};
}

absl::Status WriteRun(store::Transaction& transaction, const Run& run) {
  const RunView view = run.View();
  const std::string counts = DumpJson(Json(view.step_counts));
  if (run.is_new) {
    RETURN_IF_ERROR(transaction.Execute(
        "INSERT INTO flow_runs (id, project, created_by, name, pipeline, search, source, state, "
        "message, created_at, started_at, finished_at, duration, stop, failing, counts, "
        "cached_steps, request_digest, retry_of, pipeline_id, pipeline_version) "
        "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        {run.id,
         run.project,
         run.created_by,
         Clean(run.name),
         run.pipeline->name,
         LowerCase(Clean(run.name) + "\n" + run.pipeline->name),
         Clean(run.source),
         std::string(StateName(run.state)),
         Clean(run.message),
         run.created_at,
         run.started_at,
         run.finished_at,
         DurationOf(run),
         static_cast<std::int64_t>(run.stop),
         static_cast<std::int64_t>(run.failing),
         counts,
         static_cast<std::int64_t>(run.cached_steps),
         run.request_digest,
         run.retry_of,
         run.pipeline_id,
         run.pipeline_version}));
    return transaction.Execute(
        "INSERT INTO flow_run_specs (run_id, project, created_by, working_directory, yaml, "
        "parameters, disabled) VALUES (?,?,?,?,?,?,?)",
        {run.id, run.project, run.created_by, run.working_directory, run.yaml,
         DumpJson(run.parameters), DumpJson(Json(run.disabled))});
  }
  RETURN_IF_ERROR(transaction.Execute(
      "UPDATE flow_runs SET message = ?, started_at = ?, stop = ?, failing = ?, counts = ?, "
      "cached_steps = ? WHERE id = ?",
      {Clean(run.message), run.started_at, static_cast<std::int64_t>(run.stop),
       static_cast<std::int64_t>(run.failing), counts, static_cast<std::int64_t>(run.cached_steps),
       run.id}));
  // Every list's index holds the state; most turns change only the counts.
  if (run.state == run.stored_state) return absl::OkStatus();
  return transaction.Execute(
      "UPDATE flow_runs SET state = ?, finished_at = ?, duration = ? WHERE id = ?",
      {std::string(StateName(run.state)), run.finished_at, DurationOf(run), run.id});
}

absl::Status WriteStep(store::Transaction& transaction, const StepRun& step) {
  const Run& run = step.run();
  const Value index =
      step.loop_index ? Value(static_cast<std::int64_t>(*step.loop_index)) : Value();
  const std::string argument = step.loop_argument.is_null() ? "" : DumpJson(step.loop_argument);
  if (step.is_new) {
    const StepView view = ViewOf(step);
    RETURN_IF_ERROR(transaction.Execute(
        "INSERT INTO flow_steps (id, run_id, project, created_by, ordinal, parent_id, node, name, "
        "kind, loop_index, loop_argument, state, cached, reason, deps, replicas, created_at, "
        "started_at, finished_at, job_id, attempts, last_metrics) "
        "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        {step.id,
         run.id,
         run.project,
         run.created_by,
         step.ordinal,
         view.parent_id,
         view.node,
         step.name,
         view.kind,
         index,
         argument,
         std::string(StateName(step.state)),
         static_cast<std::int64_t>(step.cached),
         Clean(step.reason),
         DumpJson(Json(view.deps)),
         static_cast<std::int64_t>(step.replicas),
         step.created_at,
         step.started_at,
         step.finished_at,
         step.job_id,
         static_cast<std::int64_t>(step.attempts),
         LastMetricsText(step.last_metrics)}));
  } else {
    RETURN_IF_ERROR(transaction.Execute(
        "UPDATE flow_steps SET loop_index = ?, loop_argument = ?, state = ?, cached = ?, "
        "reason = ?, replicas = ?, started_at = ?, finished_at = ?, job_id = ?, attempts = ? "
        "WHERE id = ?",
        {index, argument, std::string(StateName(step.state)),
         static_cast<std::int64_t>(step.cached), Clean(step.reason),
         static_cast<std::int64_t>(step.replicas), step.started_at, step.finished_at, step.job_id,
         static_cast<std::int64_t>(step.attempts), step.id}));
  }
  if (!step.detail_dirty || step.detail == nullptr) return absl::OkStatus();
  RETURN_IF_ERROR(WriteArtifacts(transaction, step));
  if (step.has_detail_row && !step.spec_dirty) {
    return transaction.Execute("UPDATE flow_step_details SET detail = ? WHERE step_id = ?",
                               {DetailText(step), step.id});
  }
  return transaction.Execute(
      "INSERT INTO flow_step_details (step_id, run_id, project, created_by, detail, job_spec) "
      "VALUES (?,?,?,?,?,?) ON CONFLICT (step_id) DO UPDATE SET detail = excluded.detail, "
      "job_spec = excluded.job_spec",
      {step.id, run.id, run.project, run.created_by, DetailText(step),
       step.job_spec == nullptr ? std::string() : JobSpecText(*step.job_spec)});
}

absl::Status WriteCacheRecord(store::Transaction& transaction, const CacheRecord& record) {
  return transaction.Execute(
      "INSERT INTO flow_cache (step_id, project, created_by, cache_key, run_id, run_name, "
      "step_name, finished_at, job_folder, outputs) VALUES (?,?,?,?,?,?,?,?,?,?) "
      "ON CONFLICT (step_id) DO NOTHING",
      {record.step_id, record.project, record.created_by, record.cache_key, record.run_id,
       Clean(record.run_name), record.step_name, record.finished_at, record.job_folder,
       record.outputs});
}

absl::Status WriteLatest(store::Transaction& transaction, const LatestRecord& record) {
  return transaction.Execute(
      "INSERT INTO flow_step_latest (project, pipeline, step_name, created_by, run_id, run_name, "
      "step_id, state, cache_key, parts) VALUES (?,?,?,?,?,?,?,?,?,?) "
      "ON CONFLICT (project, pipeline, step_name) DO UPDATE SET created_by = excluded.created_by, "
      "run_id = excluded.run_id, run_name = excluded.run_name, step_id = excluded.step_id, "
      "state = excluded.state, cache_key = excluded.cache_key, parts = excluded.parts",
      {record.project, record.pipeline, record.step_name, record.created_by, record.run_id,
       Clean(record.run_name), record.step_id, record.state, record.cache_key, record.parts});
}

std::int64_t StrideAt(std::int64_t n) {
  std::int64_t stride = 1;
  while (n / stride >= kMostPoints) stride *= 2;
  return stride;
}

absl::Status WriteMetric(store::Transaction& transaction, const MetricRecord& record) {
  const std::int64_t stride = StrideAt(record.n);
  if (record.n > 0 && stride != StrideAt(record.n - 1)) {
    RETURN_IF_ERROR(transaction.Execute(
        "DELETE FROM flow_metrics WHERE step_id = ? AND series = ? AND (n % ?) <> 0",
        {record.step_id, record.series, stride}));
  }
  if (record.n % stride != 0) return absl::OkStatus();
  return transaction.Execute(
      "INSERT INTO flow_metrics (step_id, series, n, run_id, project, created_by, value, step, "
      "time) VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (step_id, series, n) DO NOTHING",
      {record.step_id, record.series, record.n, record.run_id, record.project, record.created_by,
       store::OrNull(record.point.value), store::OrNull(record.point.step), record.point.time});
}

absl::Status WriteLastMetrics(store::Transaction& transaction, const StepRun& step) {
  return transaction.Execute("UPDATE flow_steps SET last_metrics = ? WHERE id = ?",
                             {LastMetricsText(step.last_metrics), step.id});
}

absl::Status WriteEvent(store::Transaction& transaction, const EventRecord& record) {
  return transaction.Execute(
      "INSERT INTO flow_events (id, type, run_id, project, data) VALUES (?,?,?,?,?)",
      {record.id, record.type, record.run_id, record.project, record.data});
}

absl::Status DropOldEvents(store::Transaction& transaction, std::int64_t last_id) {
  return transaction.Execute("DELETE FROM flow_events WHERE id <= ?", {last_id - kEventsKept});
}

std::map<std::string, ArtifactList> OutputsFromJson(const Json& json) {
  std::map<std::string, ArtifactList> artifacts;
  for (const auto& [name, list] : json.items()) artifacts[name] = ArtifactsFrom(list);
  return artifacts;
}

CacheReport CacheReportFrom(const Json& json) {
  CacheReport report;
  report.outcome = json.value("outcome", "pending");
  report.reason = json.value("reason", "");
  report.key = json.value("key", "");
  report.from_run_id = json.value("from_run_id", "");
  report.from_step_id = json.value("from_step_id", "");
  for (const Json& item : json.value("parts", Json::array())) {
    CachePart part{item.value("name", ""), item.value("value", ""), std::nullopt,
                   item.value("changed", false)};
    if (item.value("same", false)) part.previous = part.value;
    if (item.contains("previous")) part.previous = item["previous"].get<std::string>();
    report.parts.push_back(std::move(part));
  }
  return report;
}

std::vector<RankView> RanksFromJson(const Json& json) {
  std::vector<RankView> ranks;
  for (const Json& item : json) {
    RankView rank;
    rank.rank = item.value("rank", 0);
    rank.role = item.value("role", "");
    rank.index = item.value("index", 0);
    rank.state = item.value("state", "pending");
    rank.pid = item.value("pid", 0);
    rank.started_at = item.value("started_at", std::int64_t{0});
    rank.finished_at = item.value("finished_at", std::int64_t{0});
    rank.message = item.value("message", "");
    if (item.contains("exit_code")) rank.exit_code = item["exit_code"].get<int>();
    if (item.contains("signal")) rank.signal = item["signal"].get<int>();
    ranks.push_back(std::move(rank));
  }
  return ranks;
}

std::map<std::string, MetricPoint> LastMetricsFrom(const Json& json) {
  std::map<std::string, MetricPoint> metrics;
  for (const auto& [name, item] : json.items()) {
    MetricPoint point;
    if (item.contains("value") && item["value"].is_number()) point.value = item["value"];
    if (item.contains("step")) point.step = item["step"].get<std::int64_t>();
    point.time = item.value("time", std::int64_t{0});
    metrics[name] = point;
  }
  return metrics;
}

Json JsonColumn(const std::string& text) {
  if (text.empty()) return Json::object();
  auto json = base::ParseJson(text);
  return json.ok() ? *std::move(json) : Json::object();
}

}  // namespace regatta::flow

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "flow/cursor.h"
#include "flow/engine_impl.h"
#include "flow/filter.h"

namespace regatta::flow {

namespace {

using base::Json;
using store::Row;
using store::Value;

constexpr char kRunColumns[] =
    "id, project, created_by, name, pipeline, source, state, message, created_at, started_at, "
    "finished_at, counts, cached_steps, duration, retry_of, pipeline_id, pipeline_version";
constexpr char kStepColumns[] =
    "s.id, s.run_id, s.name, s.node, s.kind, s.parent_id, s.state, s.cached, s.reason, s.deps, "
    "s.loop_index, s.loop_argument, s.replicas, s.created_at, s.started_at, s.finished_at, "
    "s.last_metrics, s.ordinal, s.job_id, s.attempts";

RunView RunFrom(const Row& row) {
  RunView run;
  run.id = row.Text(0);
  run.project = row.Text(1);
  run.created_by = row.Text(2);
  run.name = row.Text(3);
  run.pipeline = row.Text(4);
  run.source = row.Text(5);
  run.state = RunStateFrom(row.Text(6)).value_or(RunState::kPending);
  run.message = row.Text(7);
  run.created_at = row.Int(8);
  run.started_at = row.Int(9);
  run.finished_at = row.Int(10);
  const Json counts = JsonColumn(row.Text(11));
  for (const auto& [state, count] : counts.items()) {
    run.step_counts[state] = count.get<int>();
  }
  run.cached_steps = static_cast<int>(row.Int(12));
  run.retry_of = row.Text(14);
  run.pipeline_id = row.Text(15);
  run.pipeline_version = row.Int(16);
  return run;
}

StepView StepFrom(const Row& row) {
  StepView step;
  step.id = row.Text(0);
  step.run_id = row.Text(1);
  step.name = row.Text(2);
  step.node = row.Text(3);
  step.kind = row.Text(4);
  step.parent_id = row.Text(5);
  step.state = StepStateFrom(row.Text(6)).value_or(StepState::kPending);
  step.cached = row.Bool(7);
  step.reason = row.Text(8);
  for (const Json& dep : JsonColumn(row.Text(9))) step.deps.push_back(dep.get<std::string>());
  if (!row.IsNull(10)) {
    step.loop_index = static_cast<int>(row.Int(10));
    if (auto argument = base::ParseJson(row.Text(11)); argument.ok()) {
      step.loop_argument = *std::move(argument);
    }
  }
  step.replicas = static_cast<int>(row.Int(12));
  step.created_at = row.Int(13);
  step.started_at = row.Int(14);
  step.finished_at = row.Int(15);
  step.last_metrics = LastMetricsFrom(JsonColumn(row.Text(16)));
  return step;
}

absl::Status RunNotFound(const std::string& id) {
  return absl::NotFoundError(absl::StrCat("there is no run ", id));
}

Filter FilterSql(const RunFilter& filter) {
  Filter sql;
  sql.And("project = ?", filter.project);
  if (!filter.states.empty()) {
    sql.where += " AND state IN (";
    for (std::size_t i = 0; i < filter.states.size(); ++i) {
      sql.where += i == 0 ? "?" : ",?";
      sql.params.emplace_back(std::string(StateName(filter.states[i])));
    }
    sql.where += ")";
  }
  if (!filter.name.empty()) sql.And("search LIKE ? ESCAPE '!'", LikePattern(filter.name));
  sql.AndIfGiven("pipeline = ?", filter.pipeline);
  sql.AndIfGiven("created_by = ?", filter.created_by);
  sql.AndIfGiven("pipeline_id = ?", filter.pipeline_id);
  if (filter.pipeline_version > 0) sql.And("pipeline_version = ?", filter.pipeline_version);
  return sql;
}

std::vector<ArtifactView> ArtifactViews(const Json& artifacts, bool look_at_files) {
  std::vector<ArtifactView> views;
  for (const auto& [name, list] : artifacts.items()) {
    for (const Artifact& artifact : ArtifactsFrom(list)) {
      ArtifactView view;
      view.name = name;
      view.path = artifact.path;
      view.kind = artifact.kind;
      view.digest = artifact.digest;
      view.bytes = artifact.bytes;
      if (view.kind == "file") view.media_type = GuessMediaType(view.path);
      if (look_at_files && view.kind == "folder") view.files = ListFiles(view.path, 200);
      views.push_back(std::move(view));
    }
  }
  return views;
}

}  // namespace

void EngineImpl::OverlayStorageProblem(RunView& run) {
  if (IsFinal(run.state)) return;
  const std::lock_guard lock(problem_mutex_);
  if (storage_problem_.empty()) return;
  run.message = absl::StrCat("progress cannot be stored, trying again: ", storage_problem_);
}

absl::StatusOr<RunPage> EngineImpl::ListRuns(const RunFilter& filter) {
  static const std::map<std::string, std::pair<std::string, int>> columns = {
      {"created_at", {"created_at", 8}},
      {"name", {"name", 3}},
      {"state", {"state", 6}},
      {"duration", {"duration", 13}}};
  const auto column = columns.find(filter.sort);
  if (column == columns.end()) {
    return absl::InvalidArgumentError(absl::StrCat("cannot sort by \"", filter.sort,
                                                   "\"; use created_at, name, state or duration"));
  }
  const auto& [name, position] = column->second;
  const std::string kind = absl::StrCat("runs ", name, filter.descending ? " desc" : " asc");
  Filter sql = FilterSql(filter);
  RunPage page;
  ASSIGN_OR_RETURN(
      const std::vector<Row> total,
      store_.Read(absl::StrCat("SELECT COUNT(*) FROM flow_runs WHERE ", sql.where), sql.params));
  page.total = total[0].Int(0);
  if (!filter.cursor.empty()) {
    ASSIGN_OR_RETURN(const Json key, ReadCursor(filter.cursor, kind, 2));
    const char* after = filter.descending ? "<" : ">";
    // Spelled out, so that both databases walk the index from the key on.
    absl::StrAppend(&sql.where, " AND ", name, " ", after, "= ? AND (", name, " ", after,
                    " ? OR id ", after, " ?)");
    sql.params.push_back(ValueOf(key[0]));
    sql.params.push_back(ValueOf(key[0]));
    sql.params.push_back(ValueOf(key[1]));
  }
  const int limit = std::clamp(filter.limit, 1, 1000);
  const char* order = filter.descending ? " DESC" : " ASC";
  sql.params.emplace_back(static_cast<std::int64_t>(limit + 1));
  ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      store_.Read(absl::StrCat("SELECT ", kRunColumns, " FROM flow_runs WHERE ", sql.where,
                               " ORDER BY ", name, order, ", id", order, " LIMIT ?"),
                  sql.params));
  for (const Row& row : rows) {
    if (static_cast<int>(page.items.size()) == limit) {
      const Row& last = rows[static_cast<std::size_t>(limit) - 1];
      Json key = Json::array();
      const auto at = static_cast<std::size_t>(position);
      if (name == "name" || name == "state") {
        key = {last.Text(at), last.Text(0)};
      } else {
        key = {last.Int(at), last.Text(0)};
      }
      page.next_cursor = MakeCursor(kind, key);
      break;
    }
    page.items.push_back(RunFrom(row));
    OverlayStorageProblem(page.items.back());
  }
  return page;
}

absl::StatusOr<RunDetail> EngineImpl::GetRun(const std::string& run_id) {
  // First, so that the answer holds at least what it says.
  const std::int64_t last_event_id = last_event_id_;
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   store_.Read(absl::StrCat("SELECT ", kRunColumns,
                                            ", yaml, parameters FROM flow_runs "
                                            "JOIN (SELECT run_id, yaml, parameters FROM "
                                            "flow_run_specs WHERE run_id = ?) spec "
                                            "ON spec.run_id = id WHERE id = ?"),
                               {run_id, run_id}));
  if (rows.empty()) return RunNotFound(run_id);
  RunDetail run;
  static_cast<RunView&>(run) = RunFrom(rows[0]);
  OverlayStorageProblem(run);
  run.yaml = rows[0].Text(17);
  run.parameters = JsonColumn(rows[0].Text(18));
  run.last_event_id = last_event_id;
  return run;
}

absl::StatusOr<StepPage> EngineImpl::ListSteps(const std::string& run_id,
                                               const StepFilter& filter) {
  ASSIGN_OR_RETURN(const std::vector<Row> run,
                   store_.Read("SELECT counts FROM flow_runs WHERE id = ?", {run_id}));
  if (run.empty()) return RunNotFound(run_id);
  StepPage page;
  std::set<std::string> wanted;
  for (const StepState state : filter.states) wanted.insert(StateName(state));
  const Json counts = JsonColumn(run[0].Text(0));
  for (const auto& [state, count] : counts.items()) {
    if (wanted.empty() || wanted.contains(state)) page.total += count.get<std::int64_t>();
  }
  Filter sql;
  sql.And("s.run_id = ?", run_id);
  if (!wanted.empty()) {
    sql.where += " AND s.state IN (";
    for (const std::string& state : wanted) {
      sql.where += sql.where.back() == '(' ? "?" : ",?";
      sql.params.emplace_back(state);
    }
    sql.where += ")";
  }
  if (!filter.name.empty()) {
    sql.And("LOWER(s.name) LIKE ? ESCAPE '!'", LikePattern(filter.name));
    // The run's own counts know nothing of names.
    ASSIGN_OR_RETURN(
        const std::vector<Row> total,
        store_.Read("SELECT COUNT(*) FROM flow_steps s WHERE " + sql.where, sql.params));
    page.total = total[0].Int(0);
  }
  if (!filter.cursor.empty()) {
    ASSIGN_OR_RETURN(const Json key, ReadCursor(filter.cursor, "steps", 1));
    sql.And("s.ordinal > ?", ValueOf(key[0]));
  }
  const int limit = std::clamp(filter.limit, 1, 1000);
  sql.params.emplace_back(static_cast<std::int64_t>(limit + 1));
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   store_.Read(absl::StrCat("SELECT ", kStepColumns, " FROM flow_steps s WHERE ",
                                            sql.where, " ORDER BY s.ordinal LIMIT ?"),
                               sql.params));
  for (const Row& row : rows) {
    if (static_cast<int>(page.items.size()) == limit) {
      page.next_cursor =
          MakeCursor("steps", Json::array({rows[static_cast<std::size_t>(limit) - 1].Int(17)}));
      break;
    }
    page.items.push_back(StepFrom(row));
  }
  return page;
}

absl::StatusOr<EngineImpl::StepRow> EngineImpl::ReadStep(const std::string& run_id,
                                                         const std::string& step_id) {
  ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      store_.Read(absl::StrCat("SELECT ", kStepColumns,
                               ", d.detail FROM flow_steps s LEFT JOIN flow_step_details d "
                               "ON d.step_id = s.id WHERE s.id = ? AND s.run_id = ?"),
                  {step_id, run_id}));
  if (rows.empty()) {
    return absl::NotFoundError(absl::StrCat("there is no step ", step_id, " in run ", run_id));
  }
  StepRow step;
  step.view = StepFrom(rows[0]);
  step.job_id = rows[0].Text(18);
  step.attempts = static_cast<int>(rows[0].Int(19));
  step.detail = JsonColumn(rows[0].Text(20));
  step.job_folder = step.detail.value("job_folder", "");
  return step;
}

absl::StatusOr<std::string> EngineImpl::WhyItWaits(const StepView& step) {
  constexpr int kShown = 5;
  std::string where = "run_id = ? AND state NOT IN ('succeeded', 'skipped', 'cancelled') AND ";
  std::vector<Value> params = {step.run_id};
  if (step.kind == "post_process") {
    where += "kind <> 'post_process'";
  } else if (step.deps.empty()) {
    where += "1 = 0";
  } else {
    where += "parent_id = ? AND node IN (";
    params.emplace_back(step.parent_id);
    const std::size_t dot = step.node.rfind('.');
    const std::string prefix = dot == std::string::npos ? "" : step.node.substr(0, dot + 1);
    for (const std::string& dep : step.deps) {
      where += where.back() == '(' ? "?" : ",?";
      params.emplace_back(absl::StrCat(prefix, dep));
    }
    where += ")";
  }
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   store_.Read(absl::StrCat("SELECT name, state FROM flow_steps WHERE ", where,
                                            " ORDER BY ordinal LIMIT ", kShown + 1),
                               params));
  if (rows.empty()) return "waits for its turn: no more steps run at once (parallelism)";
  std::string reason;
  for (int i = 0; i < static_cast<int>(rows.size()); ++i) {
    const Row& row = rows[static_cast<std::size_t>(i)];
    absl::StrAppend(&reason, i == 0 ? "waits for " : ", ");
    if (i == kShown) return absl::StrCat(reason, "and more");
    absl::StrAppend(&reason, row.Text(0), " (", row.Text(1), ")");
  }
  return reason;
}

absl::StatusOr<StepDetail> EngineImpl::GetStep(const std::string& run_id,
                                               const std::string& step_id) {
  ASSIGN_OR_RETURN(const StepRow row, ReadStep(run_id, step_id));
  const Json& detail = row.detail;
  StepDetail step;
  static_cast<StepView&>(step) = row.view;
  if (step.state == StepState::kPending && step.reason.empty()) {
    ASSIGN_OR_RETURN(step.reason, WhyItWaits(step));
  }
  step.command = detail.value("command", "");
  step.condition = detail.value("condition", "");
  step.interpreter = detail.value("interpreter", "");
  step.parameters = detail.value("parameters", Json::object());
  step.env = detail.value("env", std::map<std::string, std::string>());
  step.inputs = ArtifactViews(detail.value("inputs", Json::object()), false);
  step.outputs = ArtifactViews(detail.value("outputs", Json::object()), true);
  step.attempts = row.attempts;
  step.cache = CacheReportFrom(detail.value("cache", Json::object()));
  // `from` as people say it: the artifacts folder tells the step that wrote it.
  for (ArtifactView& input : step.inputs) {
    const std::size_t artifacts = input.path.rfind("/artifacts/");
    if (artifacts == std::string::npos) continue;
    const std::size_t slash = input.path.rfind('/', artifacts - 1);
    input.from = absl::StrCat(input.path.substr(slash + 1, artifacts - slash - 1), ".",
                              input.path.substr(artifacts + 11));
  }
  step.ranks = RanksFromJson(detail.value("ranks", Json::array()));
  if (executor_ != nullptr && !IsFinal(step.state) && !row.job_id.empty()) {
    if (const auto status = executor_->Status(row.job_id); status.ok()) {
      step.ranks = RanksOf(*status);
    }
  }
  for (RankView& rank : step.ranks) {
    const auto log = job::ReadLog(row.job_folder, rank.rank, 0, 1);
    if (log.ok()) rank.log_bytes = log->total;
  }
  return step;
}

absl::StatusOr<std::vector<MetricSeries>> EngineImpl::GetMetrics(const std::string& run_id,
                                                                 const std::string& step_id) {
  ASSIGN_OR_RETURN(const StepRow row, ReadStep(run_id, step_id));
  // A step whose result was taken from another shows what that one measured.
  std::string source = step_id;
  const CacheReport cache = CacheReportFrom(row.detail.value("cache", Json::object()));
  if (!cache.from_step_id.empty()) source = cache.from_step_id;
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   store_.Read("SELECT series, value, step, time FROM flow_metrics "
                               "WHERE step_id = ? ORDER BY series, n",
                               {source}));
  std::vector<MetricSeries> all;
  for (const Row& point : rows) {
    if (all.empty() || all.back().name != point.View(0)) all.push_back({point.Text(0), {}});
    all.back().points.push_back({point.OptReal(1), point.OptInt(2), point.Int(3)});
  }
  return all;
}

absl::StatusOr<job::LogRange> EngineImpl::GetLog(const std::string& run_id,
                                                 const std::string& step_id, int rank,
                                                 std::int64_t offset, std::int64_t limit) {
  ASSIGN_OR_RETURN(const StepRow row, ReadStep(run_id, step_id));
  if (row.job_folder.empty()) {
    return absl::NotFoundError(
        absl::StrCat("step \"", row.view.name, "\" has no log: it is ", StateName(row.view.state),
                     row.view.kind == "dag" ? " and a DAG, whose steps have logs" : ""));
  }
  auto log = job::ReadLog(row.job_folder, rank, offset, limit);
  if (!absl::IsNotFound(log.status())) return log;
  const int ranks = std::max(1, row.view.replicas);
  if (rank < 0 || rank >= ranks) {
    return absl::NotFoundError(absl::StrCat(
        "step \"", row.view.name, "\" has no rank ", rank,
        ranks == 1 ? "; it has only rank 0" : absl::StrCat("; its last is ", ranks - 1)));
  }
  std::error_code error;
  // The file is made with the first byte: this rank has written nothing.
  if (std::filesystem::exists(row.job_folder, error)) return job::LogRange{};
  return log;
}

absl::StatusOr<std::string> EngineImpl::ArtifactFile(const std::string& run_id,
                                                     const std::string& step_id,
                                                     const std::string& name,
                                                     const std::string& path) {
  ASSIGN_OR_RETURN(const StepRow row, ReadStep(run_id, step_id));
  const auto outputs = OutputsFromJson(row.detail.value("outputs", Json::object()));
  const auto it = outputs.find(name);
  if (it == outputs.end() || it->second.empty()) {
    return absl::NotFoundError(absl::StrCat("step \"", row.view.name, "\" (",
                                            StateName(row.view.state),
                                            ") has no output artifact \"", name, "\""));
  }
  if (it->second.size() > 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("artifact \"", name, "\" stands for ", it->second.size(),
                     " iterations; ask the steps that wrote them"));
  }
  return FileInArtifact(it->second[0].path, path);
}

absl::StatusOr<std::vector<ChangeEvent>> EngineImpl::EventsAfter(std::int64_t after,
                                                                 const std::string& run_id,
                                                                 int limit) {
  ASSIGN_OR_RETURN(const std::vector<Row> oldest, store_.Read("SELECT MIN(id) FROM flow_events"));
  const std::int64_t first = oldest.empty() ? 0 : oldest[0].Int(0);
  if (after + 1 < first && after < last_event_id_) {
    return absl::OutOfRangeError(
        absl::StrCat("events up to ", first - 1, " are no longer kept; read the lists again"));
  }
  std::string sql = "SELECT id, type, run_id, data FROM flow_events WHERE id > ?";
  std::vector<Value> params = {after};
  if (!run_id.empty()) {
    sql += " AND run_id = ?";
    params.emplace_back(run_id);
  }
  sql += " ORDER BY id LIMIT ?";
  params.emplace_back(static_cast<std::int64_t>(std::clamp(limit, 1, 10'000)));
  ASSIGN_OR_RETURN(const std::vector<Row> rows, store_.Read(sql, params));
  std::vector<ChangeEvent> events;
  for (const Row& row : rows) {
    events.push_back({row.Int(0), row.Text(1), row.Text(2), row.Text(3)});
  }
  return events;
}

}  // namespace regatta::flow

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/log.h"
#include "flow/engine_impl.h"
#include "flow/parse.h"

namespace regatta::flow {
namespace {

using store::Row;

constexpr char kSelectRuns[] =
    "SELECT r.id, r.project, r.created_by, r.name, r.source, r.state, r.message, "
    "r.created_at, r.started_at, r.stop, r.failing, r.cached_steps, "
    "r.request_digest, s.working_directory, s.yaml, s.parameters, s.disabled, r.retry_of, "
    "r.pipeline_id, r.pipeline_version "
    "FROM flow_runs r JOIN flow_run_specs s ON s.run_id = r.id ";

void Count(Run& run, StepState state) { ++run.counts[static_cast<std::size_t>(state)]; }

bool IsGood(StepState state) {
  return state == StepState::kSucceeded || state == StepState::kSkipped;
}

// What other steps may refer to.
void TakeValues(StepRun& step, const base::Json& detail) {
  step.parameters = detail.value("parameters", base::Json::object());
  step.inputs = OutputsFromJson(detail.value("inputs", base::Json::object()));
  step.outputs = OutputsFromJson(detail.value("outputs", base::Json::object()));
  step.job_folder = detail.value("job_folder", "");
}

// The final steps to whose values somebody may still refer: an unfinished sibling, the outputs of
// an unfinished DAG around them, or the list of artifacts for the post-process step.
std::vector<StepRun*> StillReferredTo(Run& run) {
  const bool lists_outputs = run.post != nullptr && run.post->unfinished > 0;
  std::vector<StepRun*> steps;
  std::vector<const Scope*> scopes = {run.root.get()};
  while (!scopes.empty()) {
    const Scope& scope = *scopes.back();
    scopes.pop_back();
    const bool in_open_dag = scope.owner != nullptr && !IsFinal(scope.owner->state) &&
                             !scope.owner->node().outputs.empty();
    for (const auto& node : scope.nodes) {
      const bool needed = in_open_dag || (lists_outputs && !node->node->outputs.empty()) ||
                          std::any_of(node->dependents.begin(), node->dependents.end(),
                                      [](const NodeRun* other) { return other->unfinished > 0; });
      for (const auto& step : node->iterations) {
        if (needed && IsFinal(step->state)) steps.push_back(step.get());
        if (step->children != nullptr) scopes.push_back(step->children.get());
      }
    }
  }
  return steps;
}

// Puts one stored step back into its scope. Rows come in the order in which steps were made, so a
// DAG's iteration is there before its children.
absl::Status Restore(Run& run, const Row& row, bool all_details) {
  const std::string parent = row.Text(1);
  const std::string path = row.Text(2);
  const std::string kind = row.Text(4);
  Scope* scope = kind == "post_process" ? run.post.get() : run.root.get();
  if (!parent.empty()) {
    const auto it = run.steps_by_id.find(parent);
    if (it == run.steps_by_id.end()) {
      return absl::DataLossError(absl::StrCat("step ", row.Text(0), " has no parent row"));
    }
    StepRun& dag = *it->second;
    if (dag.children == nullptr) {
      std::vector<const Node*> nodes;
      for (const auto& node : dag.node().children) nodes.push_back(node.get());
      dag.children = MakeBareScope(run, &dag, nodes);
    }
    scope = dag.children.get();
  }
  const std::size_t dot = path.rfind('.');
  NodeRun* node = scope == nullptr
                      ? nullptr
                      : scope->Find(dot == std::string::npos ? path : path.substr(dot + 1));
  if (node == nullptr) {
    return absl::DataLossError(absl::StrCat("its pipeline has no node \"", path, "\" any more"));
  }
  auto step = std::make_unique<StepRun>();
  step->owner = node;
  step->id = row.Text(0);
  step->name = row.Text(3);
  if (!row.IsNull(5)) step->loop_index = static_cast<int>(row.Int(5));
  if (!row.Text(6).empty()) {
    ASSIGN_OR_RETURN(step->loop_argument, ToAbsl(base::ParseJson(row.Text(6))));
  }
  step->state = StepStateFrom(row.Text(7)).value_or(StepState::kPending);
  step->cached = row.Bool(8);
  step->reason = row.Text(9);
  step->replicas = static_cast<int>(row.Int(10));
  step->created_at = row.Int(11);
  step->started_at = row.Int(12);
  step->finished_at = row.Int(13);
  step->job_id = row.Text(14);
  step->attempts = static_cast<int>(row.Int(15));
  step->last_metrics = LastMetricsFrom(JsonColumn(row.Text(16)));
  step->ordinal = row.Int(17);
  run.next_ordinal = std::max(run.next_ordinal, step->ordinal + 1);
  step->has_detail_row = !row.IsNull(18);
  const base::Json detail = JsonColumn(row.Text(18));
  TakeValues(*step, detail);
  if (all_details || !IsFinal(step->state)) {
    step->detail = std::make_unique<StepDetail>();
    step->detail->command = detail.value("command", "");
    step->detail->condition = detail.value("condition", "");
    step->detail->interpreter = detail.value("interpreter", "");
    step->detail->env = detail.value("env", std::map<std::string, std::string>());
    step->detail->cache = CacheReportFrom(detail.value("cache", base::Json::object()));
    step->detail->ranks = RanksFromJson(detail.value("ranks", base::Json::array()));
    if (!row.View(19).empty()) {
      step->job_spec = std::make_unique<job::JobSpec>(JobSpecFrom(JsonColumn(row.Text(19))));
    }
  }
  Count(run, step->state);
  run.steps_by_id[step->id] = step.get();
  if (!IsFinal(step->state)) ++node->unfinished;
  node->iterations.push_back(std::move(step));
  return absl::OkStatus();
}

}  // namespace

absl::Status EngineImpl::ReadLastEventId() {
  ASSIGN_OR_RETURN(const std::vector<Row> last, store_.Read("SELECT MAX(id) FROM flow_events"));
  last_event_id_ = last.empty() ? 0 : last[0].Int(0);
  next_event_id_ = last_event_id_ + 1;
  return absl::OkStatus();
}

absl::Status EngineImpl::Recover() {
  RETURN_IF_ERROR(ReadLastEventId());
  RETURN_IF_ERROR(ListResultsOfOldRuns(store_));
  RETURN_IF_ERROR(FinishDeletions());
  if (options_.take_up == TakeUp::kWhenAsked) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   store_.Read(absl::StrCat(kSelectRuns, "WHERE r.finished_at = 0 ORDER BY r.id")));
  for (const Row& row : rows) RETURN_IF_ERROR(RecoverRun(row));
  return absl::OkStatus();
}

absl::Status EngineImpl::TakeUpRun(const std::string& run_id) {
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   store_.Read(absl::StrCat(kSelectRuns, "WHERE r.id = ?"), {run_id}));
  const absl::Status status = rows.empty()
                                  ? absl::NotFoundError(absl::StrCat("there is no run ", run_id))
                                  : RecoverRun(rows[0]);
  if (status.ok()) return status;
  // Half of a run must not stay in memory.
  if (const auto it = runs_.find(run_id); it != runs_.end()) {
    std::erase(dirty_runs_, it->second.get());
    runs_.erase(it);
  }
  return status;
}

absl::Status EngineImpl::TakeUpInterrupted(const Run& request) {
  if (options_.take_up == TakeUp::kAll) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      store_.Read("SELECT id FROM flow_runs WHERE finished_at = 0 AND stop = 0 AND project = ? "
                  "AND request_digest = ? ORDER BY id DESC LIMIT 1",
                  {request.project, request.request_digest}));
  if (rows.empty() || runs_.contains(rows[0].Text(0))) return absl::OkStatus();
  return TakeUpRun(rows[0].Text(0));
}

absl::Status EngineImpl::LoadRun(const Row& row, Run& run, bool all_details,
                                 absl::Status* unusable) {
  run.dirty_runs = &dirty_runs_;
  run.id = row.Text(0);
  run.project = row.Text(1);
  run.created_by = row.Text(2);
  run.name = row.Text(3);
  run.source = row.Text(4);
  run.state = run.stored_state = RunStateFrom(row.Text(5)).value_or(RunState::kRunning);
  run.message = row.Text(6);
  run.created_at = row.Int(7);
  run.started_at = row.Int(8);
  run.stop = static_cast<StopKind>(row.Int(9));
  run.failing = row.Bool(10);
  run.cached_steps = static_cast<int>(row.Int(11));
  run.request_digest = row.Text(12);
  run.working_directory = row.Text(13);
  run.yaml = row.Text(14);
  run.parameters = JsonColumn(row.Text(15));
  run.disabled = JsonColumn(row.Text(16)).get<std::vector<std::string>>();
  run.retry_of = row.Text(17);
  run.pipeline_id = row.Text(18);
  run.pipeline_version = row.Int(19);
  run.folder = absl::StrCat(options_.folder, "/runs/", run.id);

  // It was accepted before, so it parses again; unless another version of the program is stricter.
  ParseOptions parse_options;
  if (!run.source.empty()) parse_options.file = run.source;
  auto parsed = ParsePipeline(run.yaml, parse_options, nullptr);
  absl::Status& status = *unusable;
  status = parsed.status();
  if (status.ok()) {
    status = ApplyRequest(run.parameters, run.disabled, parse_options, &*parsed, nullptr);
  }
  auto pipeline = std::make_shared<Pipeline>();
  if (parsed.ok()) *pipeline = *std::move(parsed);
  run.pipeline = pipeline;
  if (status.ok()) {
    std::vector<const Node*> nodes;
    for (const auto& node : pipeline->entry_points) nodes.push_back(node.get());
    run.root = MakeBareScope(run, nullptr, nodes);
    if (pipeline->post_process != nullptr) {
      run.post = MakeBareScope(run, nullptr, {pipeline->post_process.get()});
    }
    // Details of final steps are most of what is stored, and hardly any of them is needed again.
    ASSIGN_OR_RETURN(
        const std::vector<Row> steps,
        store_.Read(
            absl::StrCat(
                "SELECT s.id, s.parent_id, s.node, s.name, s.kind, s.loop_index, s.loop_argument, "
                "s.state, s.cached, s.reason, s.replicas, s.created_at, s.started_at, "
                "s.finished_at, s.job_id, s.attempts, s.last_metrics, s.ordinal, d.detail, "
                "d.job_spec FROM flow_steps s LEFT JOIN flow_step_details d ON d.step_id = s.id ",
                all_details ? "" : "AND s.finished_at = 0 ",
                "WHERE s.run_id = ? ORDER BY s.ordinal"),
            {run.id}));
    for (const Row& step : steps) {
      if (status.ok()) status = Restore(run, step, all_details);
    }
    if (status.ok() && !all_details) RETURN_IF_ERROR(ReadValues(run));
  }
  return absl::OkStatus();
}

absl::Status EngineImpl::ReadValues(Run& run) {
  for (StepRun* step : StillReferredTo(run)) {
    ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        store_.Read("SELECT detail FROM flow_step_details WHERE step_id = ?", {step->id}));
    if (!rows.empty()) TakeValues(*step, JsonColumn(rows[0].Text(0)));
  }
  return absl::OkStatus();
}

absl::Status EngineImpl::LoadRun(const std::string& run_id, Run& run) {
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   store_.Read(absl::StrCat(kSelectRuns, "WHERE r.id = ?"), {run_id}));
  if (rows.empty()) return absl::NotFoundError(absl::StrCat("there is no run ", run_id));
  absl::Status unusable;
  RETURN_IF_ERROR(LoadRun(rows[0], run, /*all_details=*/true, &unusable));
  if (unusable.ok()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "run ", run_id, " cannot be read by this version of Regatta: ", unusable.message()));
}

absl::StatusOr<EngineImpl::Unfinished> EngineImpl::CountUnfinished(Run& run) {
  Unfinished unfinished;
  std::vector<Scope*> scopes = {run.root.get()};
  if (run.post != nullptr) scopes.push_back(run.post.get());
  for (std::size_t i = 0; i < scopes.size(); ++i) {
    for (const auto& node : scopes[i]->nodes) {
      if (node->iterations.empty()) {
        return absl::DataLossError(
            absl::StrCat("run ", run.id, ": step \"", node->path, "\" has no row"));
      }
      for (const auto& step : node->iterations) {
        if (step->children != nullptr) scopes.push_back(step->children.get());
        const bool is_living =
            step->state == StepState::kRunning || step->state == StepState::kTerminating;
        if (is_living && !step->is_dag()) unfinished.living.push_back(step.get());
      }
      if (node->unfinished > 0) continue;
      --scopes[i]->unfinished;
      const bool good = std::all_of(node->iterations.begin(), node->iterations.end(),
                                    [](const auto& step) { return IsGood(step->state); });
      for (NodeRun* dependent : node->dependents) dependent->waiting -= good ? 1 : 0;
    }
  }
  for (Scope* scope : scopes) {
    if (scope == run.post.get()) continue;
    for (const auto& node : scope->nodes) {
      if (node->unfinished == 0 || node->waiting > 0) continue;
      node->queued = true;
      // A loop that was unrolled before goes on with the iterations that it has.
      if (node->iterations[0]->loop_index) {
        for (const auto& step : node->iterations) unfinished.unrolled.push_back(step.get());
      } else if (node->iterations[0]->state == StepState::kPending) {
        run.ready_nodes.push_back(node.get());
      }
    }
  }
  return unfinished;
}

absl::Status EngineImpl::RecoverRun(const Row& row) {
  auto owned = std::make_unique<Run>();
  Run& run = *owned;
  run.recovered = true;
  absl::Status status;
  RETURN_IF_ERROR(LoadRun(row, run, /*all_details=*/false, &status));
  if (!status.ok()) {
    base::Log(base::LogLevel::kError, "flow", "an interrupted run cannot go on",
              {{"run", run.id}, {"error", std::string(status.message())}});
    run.message = absl::StrCat("cannot go on after a restart: ", status.message());
    run.state = RunState::kFailed;
    run.finished_at = base::NowMicros();
    run.Touch();
    runs_[run.id] = std::move(owned);
    return absl::OkStatus();
  }

  runs_[run.id] = std::move(owned);
  ASSIGN_OR_RETURN(const Unfinished unfinished, CountUnfinished(run));
  for (StepRun* step : unfinished.living) {
    step->holds_slot = true;
    ++run.slots_used;
    jobs_[step->job_id] = step;
    if (!step->detail->cache.key.empty()) {
      step->cache_key = step->detail->cache.key;
      running_keys_.try_emplace(absl::StrCat(run.project, "\n", step->cache_key));
    }
    if (step->job_spec == nullptr) {
      jobs_.erase(step->job_id);
      FailStep(*step, "cannot go on after a restart: what it ran was not stored");
      continue;
    }
    // Adopts what runs, reads what ended, launches what was only decided: the id decides.
    const absl::Status submitted = executor_->Submit(*step->job_spec);
    if (submitted.code() == absl::StatusCode::kResourceExhausted ||
        submitted.code() == absl::StatusCode::kUnavailable) {
      to_submit_.push_back(step->job_id);
    } else if (!submitted.ok()) {
      jobs_.erase(step->job_id);
      FailStep(*step, std::string(submitted.message()));
      continue;
    }
    if (step->state == StepState::kTerminating) {
      step->asked_to_stop = true;
      to_stop_.emplace_back(step->job_id, run.stop == StopKind::kForced);
    }
    Publish({"job.status", step->job_id, base::NowMicros(), base::Json::object()});
  }
  for (StepRun* step : unfinished.unrolled) {
    if (step->state == StepState::kPending) AdmitIteration(*step);
  }
  if (run.root->unfinished == 0) FinishScope(*run.root);
  Serve(run);
  return absl::OkStatus();
}

}  // namespace regatta::flow

#include <filesystem>
#include <future>
#include <system_error>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/ulid.h"
#include "flow/engine_impl.h"
#include "flow/resolve.h"

namespace regatta::flow {
namespace {

// Of the run that is retried: whether a step's result can be taken over as it is.
bool IsKept(const StepRun& step) {
  if (step.state == StepState::kSkipped) return true;
  if (step.state != StepState::kSucceeded) return false;
  for (const auto& [name, artifacts] : step.outputs) {
    for (const Artifact& artifact : artifacts) {
      std::error_code error;
      if (!std::filesystem::exists(artifact.path, error)) return false;
    }
  }
  return true;
}

// As it was, and says where that is from. Who took it over before names its origin, so that its
// log and metrics are found however often a run is retried.
void TakeOver(StepRun& step, const std::string& from_run) {
  CacheReport& cache = step.detail->cache;
  if (cache.from_step_id.empty()) {
    cache.from_run_id = from_run;
    cache.from_step_id = step.id;
  }
  cache.outcome = "taken_over";
  cache.reason = absl::StrCat(
      "taken over from run ", from_run, ", where it ",
      step.state == StepState::kSkipped ? absl::StrCat("was skipped: ", step.reason) : "succeeded");
  step.reason = cache.reason;
  if (step.children == nullptr) return;
  for (const auto& node : step.children->nodes) {
    for (const auto& child : node->iterations) TakeOver(*child, from_run);
  }
}

// As if it had never been started, but for its place in its loop.
void Reset(StepRun& step, base::Micros now) {
  step.state = StepState::kPending;
  step.cached = false;
  step.reason.clear();
  step.created_at = now;
  step.started_at = step.finished_at = 0;
  step.job_id.clear();
  step.job_folder.clear();
  step.attempts = step.replicas = 0;
  step.outputs.clear();
  step.last_metrics.clear();
  step.detail = std::make_unique<StepDetail>();
  step.job_spec.reset();
}

void StartOver(NodeRun& node, base::Micros now) {
  node.iterations.clear();
  AddIteration(node, std::nullopt, now);
}

void RetryScope(Scope& scope, const std::string& from_run, base::Micros now);

// Its dependencies are all taken over, so what it read is what it would read again.
void RetryNode(NodeRun& node, const std::string& from_run, base::Micros now) {
  bool any_kept = false;
  for (const auto& step : node.iterations) {
    any_kept = any_kept || IsKept(*step) ||
               (step->children != nullptr && step->state != StepState::kSucceeded);
  }
  if (!any_kept) return StartOver(node, now);
  for (const auto& step : node.iterations) {
    if (IsKept(*step)) {
      TakeOver(*step, from_run);
      continue;
    }
    const bool goes_on = step->children != nullptr && step->state != StepState::kSucceeded;
    const std::string condition = step->detail->condition;
    Reset(*step, now);
    if (goes_on) {
      step->state = StepState::kRunning;
      step->started_at = now;
      step->detail->condition = condition;
      RetryScope(*step->children, from_run, now);
    } else {
      step->children.reset();
    }
  }
}

// Nodes in the order of their dependencies: behind one that runs again, all do.
void RetryScope(Scope& scope, const std::string& from_run, base::Micros now) {
  std::unordered_map<const NodeRun*, int> waiting;
  std::unordered_map<const NodeRun*, bool> again;
  std::vector<NodeRun*> order;
  for (const auto& node : scope.nodes) {
    waiting[node.get()] = node->waiting;
    if (node->waiting == 0) order.push_back(node.get());
  }
  for (std::size_t i = 0; i < order.size(); ++i) {
    NodeRun& node = *order[i];
    if (again[&node]) {
      StartOver(node, now);
    } else {
      RetryNode(node, from_run, now);
      for (const auto& step : node.iterations) {
        again[&node] = again[&node] || !IsFinal(step->state);
      }
    }
    for (NodeRun* dependent : node.dependents) {
      again[dependent] = again[dependent] || again[&node];
      if (--waiting[dependent] == 0) order.push_back(dependent);
    }
  }
}

// New ids and ordinals for all steps, parents before children, and the counts that go with them.
void Renew(Run& run) {
  run.steps_by_id.clear();
  run.dirty_steps.clear();
  run.counts = {};
  run.cached_steps = 0;
  run.next_ordinal = 0;
  std::vector<Scope*> scopes = {run.root.get()};
  if (run.post != nullptr) scopes.push_back(run.post.get());
  for (std::size_t i = 0; i < scopes.size(); ++i) {
    for (const auto& node : scopes[i]->nodes) {
      node->unfinished = 0;
      for (const auto& step : node->iterations) {
        step->id = base::NewUlid();
        step->ordinal = run.next_ordinal++;
        step->is_new = true;
        step->dirty = step->has_detail_row = false;
        step->spec_dirty = step->job_spec != nullptr;
        run.steps_by_id[step->id] = step.get();
        ++run.counts[static_cast<std::size_t>(step->state)];
        if (step->cached) ++run.cached_steps;
        if (!IsFinal(step->state)) ++node->unfinished;
        if (step->children != nullptr) scopes.push_back(step->children.get());
        run.Touch(*step, true);
      }
    }
  }
}

}  // namespace

absl::StatusOr<RunView> EngineImpl::RetryRun(const RetryRequest& request) {
  RETURN_IF_ERROR(CheckMayChange());
  if (!request.id.empty() && !base::IsUlid(request.id)) {
    return absl::InvalidArgumentError(
        absl::StrCat("run id \"", request.id, "\" is no lower-case ULID"));
  }
  RetryRequest whole = request;
  if (whole.id.empty()) whole.id = base::NewUlid();
  std::promise<absl::StatusOr<RunView>> promise;
  auto answered = promise.get_future();
  auto result = std::make_shared<absl::StatusOr<RunView>>(absl::InternalError("no answer"));
  const Answer answer = [&promise, result](const absl::Status& status) {
    promise.set_value(status.ok() ? *result : absl::StatusOr<RunView>(status));
  };
  Post([this, whole, answer, result] { Retry(whole, answer, result); });
  return answered.get();
}

void EngineImpl::Retry(const RetryRequest& request, Answer answer,
                       std::shared_ptr<absl::StatusOr<RunView>> result) {
  if (closing_) return answer(absl::UnavailableError("the engine is closing"));
  if (!to_delete_.empty()) {
    // What it would take over may be deleted by this turn: it is made of what is there afterwards.
    return AfterThisTurn(answer,
                         [this, request, answer, result] { Retry(request, answer, result); });
  }
  const auto in_memory = runs_.find(request.id);
  absl::StatusOr<RunView> existing = absl::NotFoundError("");
  if (in_memory != runs_.end()) {
    existing = in_memory->second->View();
  } else if (auto stored = GetRun(request.id); !absl::IsNotFound(stored.status())) {
    if (!stored.ok()) return answer(stored.status());
    existing = *std::move(stored);
  }
  if (existing.ok()) {
    if (existing->retry_of != request.run_id) {
      return answer(absl::AlreadyExistsError(absl::StrCat(
          "run ", request.id, " exists and is no retry of ", request.run_id, "; use a new id")));
    }
    *result = *std::move(existing);
    answers_.push_back(answer);
    return;
  }

  auto made = MakeRetry(request);
  if (!made.ok()) return answer(made.status());
  Run& run = **made;
  runs_[run.id] = *std::move(made);
  for (const auto& [id, step] : run.steps_by_id) {
    if (step->state == StepState::kSucceeded) UseResultsOf(run, step->detail->cache.from_run_id);
  }
  answers_.push_back([this, id = run.id, answer](const absl::Status& status) {
    // Nothing of it was stored, so nothing of it may stay.
    if (!status.ok()) Discard(id);
    answer(status);
  });
  const auto unfinished = CountUnfinished(run);
  if (!unfinished.ok()) {
    answers_.pop_back();
    Discard(run.id);
    return answer(unfinished.status());
  }
  *result = run.View();
  // What an iteration had read may be why it failed.
  for (StepRun* step : unfinished->unrolled) {
    if (step->state != StepState::kPending) continue;
    absl::Status status = ResolveParameters(*step);
    if (status.ok()) status = ResolveInputs(*step);
    if (status.ok()) {
      AdmitIteration(*step);
    } else {
      FailStep(*step, std::string(status.message()));
    }
  }
  // A DAG may have failed after its last step: on what it hands on.
  std::vector<Scope*> ended;
  std::vector<Scope*> scopes = {run.root.get()};
  for (std::size_t i = 0; i < scopes.size(); ++i) {
    for (const auto& node : scopes[i]->nodes) {
      for (const auto& step : node->iterations) {
        if (step->children == nullptr || IsFinal(step->state)) continue;
        scopes.push_back(step->children.get());
        if (step->children->unfinished == 0) ended.push_back(step->children.get());
      }
    }
  }
  for (Scope* scope : ended) FinishScope(*scope);
  if (run.root->unfinished == 0 && !IsFinal(run.state)) FinishScope(*run.root);
  Serve(run);
}

absl::StatusOr<std::unique_ptr<Run>> EngineImpl::MakeRetry(const RetryRequest& request) {
  auto made = std::make_unique<Run>();
  Run& run = *made;
  RETURN_IF_ERROR(LoadRun(request.run_id, run));
  if (run.state != RunState::kFailed && run.state != RunState::kTerminated) {
    return absl::FailedPreconditionError(
        absl::StrCat("run ", run.id, " is ", StateName(run.state),
                     "; only a failed or terminated run can be retried"));
  }
  const base::Micros now = base::NowMicros();
  RetryScope(*run.root, run.id, now);
  // It is there to clean up and report, and speaks of the whole run.
  if (run.post != nullptr) StartOver(*run.post->nodes[0], now);
  run.retry_of = run.id;
  run.id = request.id;
  run.created_by = request.created_by;
  run.folder = absl::StrCat(options_.folder, "/runs/", run.id);
  run.state = RunState::kRunning;
  run.message.clear();
  run.stop = StopKind::kNone;
  run.failing = false;
  run.is_new = true;
  run.created_at = run.started_at = now;
  Renew(run);
  return made;
}

}  // namespace regatta::flow

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "flow/engine_impl.h"
#include "flow/resolve.h"
#include "flow/stored_text.h"

namespace regatta::flow {
namespace {

bool IsGood(StepState state) {
  return state == StepState::kSucceeded || state == StepState::kSkipped;
}

std::string RunningKey(const Run& run, const std::string& cache_key) {
  return absl::StrCat(run.project, "\n", cache_key);
}

// The worst state below a scope decides about its DAG.
StepState WorstOf(const Scope& scope) {
  StepState worst = StepState::kSucceeded;
  for (const auto& node : scope.nodes) {
    for (const auto& step : node->iterations) {
      if (step->state == StepState::kFailed) return StepState::kFailed;
      if (!IsGood(step->state)) worst = StepState::kTerminated;
    }
  }
  return worst;
}

std::string FirstFailed(const Scope& scope) {
  for (const auto& node : scope.nodes) {
    for (const auto& step : node->iterations) {
      if (step->state == StepState::kFailed) return step->name;
    }
  }
  return "";
}

}  // namespace

void EngineImpl::Serve(Run& run) {
  if (run.in_service) return;
  run.in_service = true;
  runs_to_serve_.push_back(run.id);
}

void EngineImpl::ReleaseSlot(StepRun& step) {
  if (!step.holds_slot) return;
  step.holds_slot = false;
  --step.run().slots_used;
  Serve(step.run());
}

void EngineImpl::FinishStep(StepRun& step, StepState state, std::string reason) {
  Run& run = step.run();
  if (!reason.empty()) step.reason = std::move(reason);
  // The wall clock may have been set back; nothing ends before it began.
  step.finished_at = std::max({base::NowMicros(), step.created_at, step.started_at});
  run.SetState(step, state);
  ReleaseSlot(step);
  if (!step.job_id.empty() && jobs_.erase(step.job_id) != 0) to_forget_.push_back(step.job_id);
  if (!step.cache_key.empty()) {
    // PaddleFlow reuses failures as well; nobody else wants them.
    const bool failure = state == StepState::kFailed && run.pipeline->compat;
    if ((state == StepState::kSucceeded || failure) && !step.cached) {
      new_cache_records_.push_back({step.id, run.project, run.created_by,
                                    failure ? FailureKey(step.cache_key) : step.cache_key, run.id,
                                    run.name, step.name, step.job_folder, step.finished_at,
                                    OutputsText(step.outputs)});
    }
    const auto waiting = running_keys_.find(RunningKey(run, step.cache_key));
    if (waiting != running_keys_.end()) {
      woken_.insert(woken_.end(), waiting->second.begin(), waiting->second.end());
      running_keys_.erase(waiting);
    }
    RememberLatest(step);
    step.cache_key.clear();
  }
  if (--step.owner->unfinished == 0) FinishNode(*step.owner);
}

void EngineImpl::FailStep(StepRun& step, const std::string& reason) {
  Run& run = step.run();
  run.failing = true;
  // A DAG fails because one of its steps did: that one's message is the one worth keeping.
  if (run.message.empty()) run.message = absl::StrCat("step \"", step.name, "\" failed: ", reason);
  FinishStep(step, StepState::kFailed, reason);
  if (run.pipeline->failure_strategy == FailureStrategy::kFailFast &&
      step.node().kind != NodeKind::kPostProcess) {
    StopScope(*run.root, absl::StrCat("because step \"", step.name, "\" failed"), false);
  }
}

void EngineImpl::FinishNode(NodeRun& node) {
  bool good = true;
  for (const auto& iteration : node.iterations) good = good && IsGood(iteration->state);
  if (good) {
    for (NodeRun* dependent : node.dependents) {
      if (--dependent->waiting > 0 || dependent->queued) continue;
      dependent->queued = true;
      node.scope->run->ready_nodes.push_back(dependent);
    }
    Serve(*node.scope->run);
  } else {
    CancelDependents(node);
  }
  Scope& scope = *node.scope;
  if (--scope.unfinished == 0) FinishScope(scope);
}

void EngineImpl::CancelDependents(NodeRun& first) {
  // One level here; each cancelled node cancels the next through FinishNode. A long chain would
  // nest as deep, so what is below is collected first and cancelled from a list.
  std::vector<NodeRun*> below;
  std::vector<NodeRun*> look = {&first};
  while (!look.empty()) {
    NodeRun* node = look.back();
    look.pop_back();
    for (NodeRun* dependent : node->dependents) {
      if (dependent->unfinished == 0 || dependent->cancelling) continue;
      dependent->cancelling = true;
      below.push_back(dependent);
      look.push_back(dependent);
    }
  }
  for (NodeRun* node : below) {
    for (const auto& step : node->iterations) {
      if (step->state != StepState::kPending) continue;
      FinishStep(*step, StepState::kCancelled,
                 absl::StrCat("needs \"", first.node->name, "\", which did not succeed"));
    }
  }
}

void EngineImpl::StopStep(StepRun& step, const std::string& reason, bool now) {
  switch (step.state) {
    case StepState::kPending:
      FinishStep(step, StepState::kCancelled, absl::StrCat("cancelled ", reason));
      return;
    case StepState::kRunning:
    case StepState::kTerminating:
      break;
    default:
      return;
  }
  if (step.is_dag()) {
    step.reason = absl::StrCat("its steps were stopped ", reason);
    if (step.state == StepState::kRunning) step.run().SetState(step, StepState::kTerminating);
    StopScope(*step.children, reason, now);
    return;
  }
  if (step.asked_to_stop && !now) return;
  step.asked_to_stop = true;
  // Between two attempts there is nothing to stop.
  if (std::erase_if(to_submit_later_, [&](const auto& job) { return job.second == step.job_id; })) {
    return FinishStep(step, StepState::kTerminated, absl::StrCat("stopped ", reason));
  }
  // Nor before the first, where the disk is full. An owner before this one may have launched it.
  if (!step.run().recovered && std::erase(to_submit_, step.job_id) > 0) {
    return FinishStep(step, StepState::kTerminated,
                      absl::StrCat("stopped before it was launched, ", reason));
  }
  step.reason = absl::StrCat("stopped ", reason);
  step.run().SetState(step, StepState::kTerminating);
  to_stop_.emplace_back(step.job_id, now);
}

void EngineImpl::StopScope(Scope& scope, const std::string& reason, bool now) {
  for (const auto& node : scope.nodes) {
    if (node->unfinished == 0) continue;
    for (const auto& step : node->iterations) StopStep(*step, reason, now);
  }
}

void EngineImpl::FinishScope(Scope& scope) {
  Run& run = *scope.run;
  if (scope.owner != nullptr) return FinishDag(*scope.owner);
  // The post-process step can end first: cancelled by a forced stop, while others are still dying.
  if (run.root->unfinished > 0) return;
  if (run.post != nullptr && run.post->unfinished > 0) return StartPostProcess(run);
  FinishRun(run);
}

void EngineImpl::FinishDag(StepRun& dag) {
  switch (WorstOf(*dag.children)) {
    case StepState::kSucceeded: {
      const absl::Status status = ResolveDagOutputs(dag);
      if (!status.ok()) return FailStep(dag, std::string(status.message()));
      dag.run().Touch(dag, true);
      return FinishStep(dag, StepState::kSucceeded, "");
    }
    case StepState::kFailed:
      return FailStep(dag, absl::StrCat("its step \"", FirstFailed(*dag.children), "\" failed"));
    default:
      return FinishStep(dag, StepState::kTerminated, "");
  }
}

void EngineImpl::StartPostProcess(Run& run) {
  NodeRun& node = *run.post->nodes[0];
  if (run.stop == StopKind::kForced) {
    for (const auto& step : node.iterations) StopStep(*step, "by a forced stop", true);
    return;
  }
  if (node.queued) return;
  node.queued = true;
  run.ready_nodes.push_back(&node);
  Serve(run);
}

void EngineImpl::FinishRun(Run& run) {
  if (IsFinal(run.state)) return;
  const auto count = [&](StepState state) { return run.counts[static_cast<std::size_t>(state)]; };
  const bool cut_short = count(StepState::kTerminated) + count(StepState::kCancelled) > 0;
  run.finished_at = std::max(base::NowMicros(), run.created_at);
  if (run.stop != StopKind::kNone && cut_short && !run.failing) {
    run.state = RunState::kTerminated;
  } else if (run.failing || cut_short) {
    run.state = RunState::kFailed;
  } else {
    run.state = RunState::kSucceeded;
  }
  run.Touch();
}

}  // namespace regatta::flow

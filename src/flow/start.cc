#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "base/ulid.h"
#include "flow/engine_impl.h"
#include "flow/resolve.h"
#include "flow/stored_text.h"

namespace regatta::flow {
namespace {

// Hashing more than this is left to a background thread; less costs about what waking one does.
constexpr std::int64_t kInlineBytes = 1 << 20;
constexpr base::Micros kClockEvery = 16;  // steps started between looks at the clock

// The place and the reason, when a run has no room for so many further steps.
absl::Status NoRoom(const NodeRun& node, std::size_t further, std::int64_t most) {
  const std::int64_t steps = node.scope->run->next_ordinal + static_cast<std::int64_t>(further);
  if (steps <= most) return absl::OkStatus();
  const bool loop = node.node->loop_argument.has_value();
  const char* field = loop ? "loop_argument" : "entry_points";
  return At(FieldPlace(*node.node, field), absl::StrCat(node.path, ".", field),
            absl::ResourceExhaustedError(absl::StrCat("the run would have ", steps,
                                                      " steps; at most ", most, " are taken")));
}

// What keeps a step from being started is no fault of the step: a full disk, or no descriptors
// left.
bool IsPassing(const absl::Status& status) {
  return status.code() == absl::StatusCode::kResourceExhausted;
}

}  // namespace

bool EngineImpl::ServeRun(Run& run, base::Micros deadline) {
  for (int n = 1;; ++n) {
    if (n % kClockEvery == 0 && base::MonotonicMicros() > deadline) return false;
    if (!run.ready_nodes.empty()) {
      NodeRun* node = run.ready_nodes.front();
      run.ready_nodes.pop_front();
      StartNode(*node);
    } else if (!run.ready_steps.empty() && run.slots_used < run.parallelism()) {
      StepRun* step = run.ready_steps.front();
      run.ready_steps.pop_front();
      if (step->state == StepState::kPending && !step->busy) PrepareStep(*step);
    } else {
      return true;
    }
  }
}

void EngineImpl::StartNode(NodeRun& node) {
  StepRun& first = *node.iterations[0];
  if (first.state != StepState::kPending) return;
  Run& run = *node.scope->run;
  absl::Status status = ResolveParameters(first);
  if (status.ok()) status = ResolveInputs(first);
  if (!status.ok()) return FailStep(first, std::string(status.message()));
  run.Touch(first, true);
  if (!node.node->loop_argument) return AdmitIteration(first);

  auto items = ResolveLoop(first);
  if (!items.ok()) return FailStep(first, std::string(items.status().message()));
  if (items->empty() && run.pipeline->compat) {
    // PaddleFlow makes one iteration, which has no item and fails.
    return FailStep(first, std::string(At(FieldPlace(*node.node, "loop_argument"),
                                          absl::StrCat(node.path, ".loop_argument"),
                                          absl::InvalidArgumentError("the list is empty"))
                                           .message()));
  }
  if (items->empty()) {
    return FinishStep(first, StepState::kSkipped, "its loop has no items");
  }
  status = NoRoom(node, items->size() - 1, options_.most_steps);
  if (!status.ok()) return FailStep(first, std::string(status.message()));
  for (std::size_t i = 1; i < items->size(); ++i) {
    const std::string name = absl::StrCat(node.node->name, "-", i);
    if (node.scope->Find(name) == nullptr) continue;
    const absl::Status clash = absl::InvalidArgumentError(absl::StrCat(
        "iteration ", i, " would be called \"", name, "\" as another step is; rename that one"));
    return FailStep(first, std::string(At(FieldPlace(*node.node, "loop_argument"),
                                          absl::StrCat(node.path, ".loop_argument"), clash)
                                           .message()));
  }
  first.loop_index = 0;
  first.loop_argument = (*items)[0];
  const base::Micros now = base::NowMicros();
  for (std::size_t i = 1; i < items->size(); ++i) {
    StepRun& step = AddIteration(node, static_cast<int>(i), now);
    step.loop_argument = std::move((*items)[i]);
    step.inputs = first.inputs;
  }
  // By index: a failing iteration may cancel the others while this goes on.
  for (std::size_t i = 0; i < node.iterations.size(); ++i) {
    StepRun& step = *node.iterations[i];
    if (step.state != StepState::kPending) continue;
    status = ResolveParameters(step);
    run.Touch(step, true);
    if (status.ok()) {
      AdmitIteration(step);
    } else {
      FailStep(step, std::string(status.message()));
    }
  }
}

void EngineImpl::AdmitIteration(StepRun& step) {
  Run& run = step.run();
  std::string text;
  const absl::StatusOr<bool> condition = ResolveCondition(step, &text);
  if (!text.empty()) step.detail->condition = text;
  if (!condition.ok()) return FailStep(step, std::string(condition.status().message()));
  if (!*condition) {
    return FinishStep(step, StepState::kSkipped, absl::StrCat("its condition is false: ", text));
  }
  if (step.node().disabled) return FinishStep(step, StepState::kSkipped, "disabled");
  if (step.is_dag()) return StartDag(step);
  run.ready_steps.push_back(&step);
  Serve(run);
}

void EngineImpl::StartDag(StepRun& step) {
  Run& run = step.run();
  const absl::Status room = NoRoom(*step.owner, step.node().children.size(), options_.most_steps);
  if (!room.ok()) return FailStep(step, std::string(room.message()));
  const base::Micros now = base::NowMicros();
  step.started_at = now;
  run.SetState(step, StepState::kRunning);
  step.children = MakeScope(run, &step, step.node().children, now);
  for (const auto& node : step.children->nodes) {
    if (node->waiting > 0) continue;
    node->queued = true;
    run.ready_nodes.push_back(node.get());
  }
  Serve(run);
}

void EngineImpl::PrepareStep(StepRun& step) {
  Run& run = step.run();
  step.holds_slot = true;
  ++run.slots_used;
  if (step.node().kind == NodeKind::kPostProcess) {
    if (const absl::Status status = WriteArtifactList(run); IsPassing(status)) {
      return PrepareLater(step, status);
    } else if (!status.ok()) {
      return FailStep(step, std::string(status.message()));
    }
  }
  auto request = std::make_shared<StartRequest>();
  request->pipeline = run.pipeline;
  request->node = &step.node();
  request->project = run.project;
  request->created_by = run.created_by;
  request->run_id = run.id;
  request->run_name = run.name;
  request->step_name = step.name;
  request->node_path = step.owner->path;
  request->working_directory = run.working_directory;
  request->state_folder = options_.folder;
  request->file_systems = &options_.file_systems;
  request->run_folder = run.folder;
  request->job_id = base::NewUlid();
  request->job_folder = JobFolder(step, step.attempts + 1);
  request->uses_images = options_.uses_images;
  request->parameters = step.parameters;
  request->loop_argument = step.loop_argument;
  request->inputs = step.inputs;
  for (const OutputArtifact& output : step.node().outputs) {
    request->output_paths[output.name] = OutputPath(step, output.name);
  }
  for (const InputArtifact& input : step.node().inputs) {
    const auto references = FindTemplates(input.from);
    if (!references.ok() || references->empty()) continue;
    const NodeRun* from = step.scope().Find((*references)[0].node);
    if (from == nullptr) continue;
    for (const auto& iteration : from->iterations) {
      if (!iteration->cached && iteration->state == StepState::kSucceeded) {
        request->notes[absl::StrCat("input ", input.name)] =
            absl::StrCat("step ", iteration->name, " ran again");
        break;
      }
    }
  }
  if (auto decision = DecideStart(*request, store_, kInlineBytes)) {
    return ApplyDecision(step, *std::move(decision));
  }
  step.busy = true;
  background_->Run([this, request, run_id = run.id, step_id = step.id] {
    auto decision = DecideStart(*request, store_, kNoBudget);
    Post([this, run_id, step_id, decision = std::move(decision)]() mutable {
      StepRun* step = FindStep(run_id, step_id);
      if (step == nullptr) return;
      step->busy = false;
      if (step->state == StepState::kPending) ApplyDecision(*step, *std::move(decision));
    });
  });
}

void EngineImpl::ApplyDecision(StepRun& step, StartDecision decision) {
  Run& run = step.run();
  if (decision.hit && deleted_runs_.contains(decision.hit->run_id)) {
    // Looked up before that run was deleted: it is asked again, of what is there then.
    ReleaseSlot(step);
    woken_.emplace_back(run.id, step.id);
    return;
  }
  StepDetail& detail = *step.detail;
  detail.command = std::move(decision.command);
  detail.env = std::move(decision.env);
  detail.cache = std::move(decision.report);
  run.Touch(step, true);
  if (IsPassing(decision.status)) return PrepareLater(step, decision.status);
  if (!decision.status.ok()) return FailStep(step, std::string(decision.status.message()));
  step.replicas = decision.replicas;
  if (decision.hit) {
    step.cached = true;
    ++run.cached_steps;
    UseResultsOf(run, decision.hit->run_id);
    step.outputs = std::move(decision.hit->outputs);
    step.job_folder = std::move(decision.hit->job_folder);
    step.started_at = base::NowMicros();
    if (decision.hit->failed) {
      FailStep(step, detail.cache.reason);
    } else {
      FinishStep(step, StepState::kSucceeded, detail.cache.reason);
    }
    if (!decision.latest_is_this) RememberLatest(step);
    return;
  }
  step.cache_key = decision.cache_key;
  if (!step.cache_key.empty()) {
    const std::string key = absl::StrCat(run.project, "\n", step.cache_key);
    const auto [it, first] = running_keys_.try_emplace(key);
    if (!first) {
      it->second.emplace_back(run.id, step.id);
      step.cache_key.clear();
      step.reason = "waits for a step that runs with the same inputs, to take its result";
      ReleaseSlot(step);
      return;
    }
  }
  ++step.attempts;
  step.SetSpec(std::move(decision.spec));
  step.started_at = base::NowMicros();
  step.reason = detail.cache.reason;
  run.SetState(step, StepState::kRunning);
  jobs_[step.job_id] = &step;
  to_submit_.push_back(step.job_id);
  if (!step.cache_key.empty()) RememberLatest(step);
}

void EngineImpl::RememberLatest(const StepRun& step) {
  const Run& run = step.run();
  if (step.detail == nullptr) return;
  new_latest_.push_back({run.project, run.created_by, run.pipeline->name, step.name, run.id,
                         run.name, step.id, StateName(step.state), step.detail->cache.key,
                         PartsText(step.detail->cache.parts)});
}

absl::Status EngineImpl::WriteArtifactList(const Run& run) {
  base::Json list = base::Json::array();
  std::vector<const Scope*> scopes = {run.root.get()};
  while (!scopes.empty()) {
    const Scope* scope = scopes.back();
    scopes.pop_back();
    for (const auto& node : scope->nodes) {
      for (const auto& step : node->iterations) {
        if (step->children != nullptr) scopes.push_back(step->children.get());
        for (const OutputArtifact& output : step->node().outputs) {
          const auto it = step->outputs.find(output.name);
          const std::string path = it != step->outputs.end() ? JoinedPaths(it->second)
                                   : step->is_dag()          ? std::string()
                                                             : OutputPath(*step, output.name);
          list.push_back({{"step", step->name},
                          {"artifact", output.name},
                          {"path", path},
                          {"state", StateName(step->state)}});
        }
      }
    }
  }
  RETURN_IF_ERROR(ToAbsl(base::MakeFolders(run.folder)));
  return ToAbsl(base::WriteFileDurably(base::JoinPath(run.folder, "artifacts.json"),
                                       base::DumpJson(list) + "\n"));
}

}  // namespace regatta::flow

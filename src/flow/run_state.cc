#include "flow/run_state.h"

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/ulid.h"

namespace regatta::flow {
namespace {

const char* KindName(NodeKind kind) {
  switch (kind) {
    case NodeKind::kStep:
      return "step";
    case NodeKind::kDag:
      return "dag";
    case NodeKind::kPostProcess:
      return "post_process";
  }
  return "step";
}

}  // namespace

NodeRun* Scope::Find(const std::string& name) const {
  const auto it = by_name.find(name);
  return it == by_name.end() ? nullptr : it->second;
}

void Run::Touch(StepRun& step, bool detail) {
  if (detail) step.detail_dirty = true;
  Touch();  // its counts, at least
  if (step.dirty) return;
  step.dirty = true;
  dirty_steps.push_back(&step);
}

void StepRun::SetSpec(job::JobSpec spec) {
  job_id = spec.id;
  job_folder = spec.directory;
  job_spec = std::make_unique<job::JobSpec>(std::move(spec));
  spec_dirty = true;
}

void Run::SetState(StepRun& step, StepState state) {
  --counts[static_cast<std::size_t>(step.state)];
  step.state = state;
  ++counts[static_cast<std::size_t>(state)];
  Touch(step);
}

RunView Run::View() const {
  RunView view;
  view.id = id;
  view.project = project;
  view.created_by = created_by;
  view.name = name;
  view.pipeline = pipeline->name;
  view.source = source;
  view.retry_of = retry_of;
  view.pipeline_id = pipeline_id;
  view.pipeline_version = pipeline_version;
  view.state = state;
  view.message = message;
  view.created_at = created_at;
  view.started_at = started_at;
  view.finished_at = finished_at;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] != 0) view.step_counts[StateName(static_cast<StepState>(i))] = counts[i];
  }
  view.cached_steps = cached_steps;
  return view;
}

StepView ViewOf(const StepRun& step) {
  StepView view;
  view.id = step.id;
  view.run_id = step.run().id;
  view.name = step.name;
  view.node = step.owner->path;
  view.kind = KindName(step.node().kind);
  if (step.scope().owner != nullptr) view.parent_id = step.scope().owner->id;
  view.state = step.state;
  view.cached = step.cached;
  view.reason = step.reason;
  view.deps = step.node().deps;
  view.loop_index = step.loop_index;
  view.loop_argument = step.loop_argument;
  view.replicas = step.replicas;
  view.created_at = step.created_at;
  view.started_at = step.started_at;
  view.finished_at = step.finished_at;
  view.last_metrics = step.last_metrics;
  return view;
}

std::unique_ptr<Scope> MakeBareScope(Run& run, StepRun* owner,
                                     const std::vector<const Node*>& nodes) {
  auto scope = std::make_unique<Scope>();
  scope->run = &run;
  scope->owner = owner;
  for (const Node* node : nodes) {
    auto node_run = std::make_unique<NodeRun>();
    node_run->node = node;
    node_run->scope = scope.get();
    node_run->path =
        owner == nullptr ? node->name : absl::StrCat(owner->owner->path, ".", node->name);
    scope->by_name[node->name] = node_run.get();
    scope->nodes.push_back(std::move(node_run));
  }
  scope->unfinished = static_cast<int>(scope->nodes.size());
  for (const auto& node_run : scope->nodes) {
    for (const std::string& dep : node_run->node->deps) {
      NodeRun* before = scope->Find(dep);
      if (before == nullptr) continue;  // the parser has refused it
      before->dependents.push_back(node_run.get());
      ++node_run->waiting;
    }
  }
  return scope;
}

std::unique_ptr<Scope> MakeScope(Run& run, StepRun* owner,
                                 const std::vector<std::unique_ptr<Node>>& nodes,
                                 base::Micros now) {
  std::vector<const Node*> pointers;
  for (const auto& node : nodes) pointers.push_back(node.get());
  auto scope = MakeBareScope(run, owner, pointers);
  for (const auto& node_run : scope->nodes) AddIteration(*node_run, std::nullopt, now);
  return scope;
}

StepRun& AddIteration(NodeRun& node, std::optional<int> index, base::Micros now) {
  Run& run = *node.scope->run;
  auto step = std::make_unique<StepRun>();
  step->owner = &node;
  step->id = base::NewUlid();
  step->ordinal = run.next_ordinal++;
  step->loop_index = index;
  step->name = node.node->name;
  if (index && *index > 0) absl::StrAppend(&step->name, "-", *index);
  if (node.scope->owner != nullptr) {
    step->name = absl::StrCat(node.scope->owner->name, ".", step->name);
  }
  step->created_at = now;
  step->detail = std::make_unique<StepDetail>();
  step->is_new = true;
  StepRun& made = *step;
  node.iterations.push_back(std::move(step));
  ++node.unfinished;
  run.steps_by_id[made.id] = &made;
  ++run.counts[static_cast<std::size_t>(StepState::kPending)];
  run.Touch(made);
  return made;
}

std::string StepFolder(const StepRun& step) {
  // A file name has at most 255 bytes; a deep DAG's full names have more.
  constexpr std::size_t kLongest = 200;
  if (step.name.size() <= kLongest) return base::JoinPath(step.run().folder, step.name);
  return base::JoinPath(step.run().folder, absl::StrCat(step.name.substr(0, kLongest), "-",
                                                        base::Sha256Hex(step.name).substr(0, 16)));
}

std::string OutputPath(const StepRun& step, const std::string& artifact) {
  return absl::StrCat(StepFolder(step), "/artifacts/", artifact);
}

std::string JobFolder(const StepRun& step, int attempt) {
  return absl::StrCat(StepFolder(step), "/job-", attempt);
}

}  // namespace regatta::flow

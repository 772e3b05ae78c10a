#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "flow/artifacts.h"
#include "flow/pipeline.h"
#include "flow/views.h"
#include "job/job.h"

namespace regatta::flow {

// The engine's memory of unfinished runs. Owned and touched by the engine's thread only.
//
//   Run ── root Scope ── NodeRun per node ── StepRun per loop iteration ── (a DAG's) Scope ── ...
//
// A NodeRun counts the dependencies that it still waits for; whoever finishes lowers the counts of
// its dependents. Nothing is ever searched for what could run next.

struct Run;
struct NodeRun;
struct StepRun;

// One running of a DAG's children; the outermost is the pipeline itself.
struct Scope {
  Run* run = nullptr;
  StepRun* owner = nullptr;  // the DAG's iteration; null for the outermost
  std::vector<std::unique_ptr<NodeRun>> nodes;
  std::unordered_map<std::string, NodeRun*> by_name;
  int unfinished = 0;  // nodes that are not final

  NodeRun* Find(const std::string& name) const;
};

struct NodeRun {
  const Node* node = nullptr;
  Scope* scope = nullptr;
  std::string path;         // dotted name in the pipeline
  int waiting = 0;          // dependencies that are not final
  bool cancelling = false;  // is being cancelled with what it needs
  bool queued = false;      // was put into ready_nodes, or is past that
  std::vector<NodeRun*> dependents;
  std::vector<std::unique_ptr<StepRun>> iterations;  // at least one
  int unfinished = 0;                                // iterations that are not final
};

struct StepRun {
  NodeRun* owner = nullptr;
  std::string id;
  std::int64_t ordinal = 0;  // order in which the steps of a run were made
  std::string name;          // full name in the run
  std::optional<int> loop_index;
  base::Json loop_argument;
  StepState state = StepState::kPending;
  bool cached = false;
  std::string reason;
  base::Micros created_at = 0, started_at = 0, finished_at = 0;
  std::string job_id, job_folder;  // of the last attempt; a cached step's: of its source
  int attempts = 0;
  int replicas = 0;
  base::Json parameters = base::Json::object();  // resolved
  std::map<std::string, ArtifactList> inputs;
  std::map<std::string, ArtifactList> outputs;
  std::map<std::string, MetricPoint> last_metrics;
  std::unique_ptr<Scope> children;
  // Everything else that is shown of a step and kept in its row; dropped from memory once final.
  std::unique_ptr<StepDetail> detail;
  // What was, or will be, submitted; null before.
  std::unique_ptr<job::JobSpec> job_spec;
  std::string cache_key;  // while it runs and may be reused; empty otherwise
  // Points logged, by series. An adopted job tells all its metrics again from the beginning, so
  // this starts at 0 after a restart and the points find their rows there.
  std::map<std::string, std::int64_t> metric_counts;
  std::int64_t metrics_heard = 0;  // events of its job; the end waits for all of them
  bool holds_slot = false;
  bool asked_to_stop = false;  // so that a terminated job is no surprise
  bool busy = false;           // a background task works for it

  // What the next commit must write. A step has no row of details before there is one to tell.
  bool is_new = false, dirty = false, detail_dirty = false, spec_dirty = false;
  bool has_detail_row = false;

  void SetSpec(job::JobSpec spec);

  Scope& scope() const { return *owner->scope; }
  Run& run() const { return *owner->scope->run; }
  const Node& node() const { return *owner->node; }
  bool is_dag() const { return owner->node->kind == NodeKind::kDag; }
};

enum class StopKind { kNone = 0, kPlain = 1, kForced = 2 };

struct Run {
  std::string id, project, created_by, name, source, working_directory, folder;
  std::string yaml, request_digest;
  std::string retry_of;     // the run whose successes this one took over; empty for a fresh one
  std::string pipeline_id;  // of the stored pipeline it was started from; empty and 0: none
  std::int64_t pipeline_version = 0;
  base::Json parameters = base::Json::object();
  std::vector<std::string> disabled;
  std::shared_ptr<const Pipeline> pipeline;
  RunState state = RunState::kPending;
  std::string message;
  base::Micros created_at = 0, started_at = 0, finished_at = 0;
  StopKind stop = StopKind::kNone;
  bool failing = false;  // a step failed
  bool recovered = false, attached = false;

  std::unique_ptr<Scope> root;
  std::unique_ptr<Scope> post;           // holds the post-process step, when there is one
  std::unordered_set<std::string> uses;  // runs whose results it took since this owner has it
  std::int64_t next_ordinal = 0;
  std::array<int, 8> counts = {};  // steps by state
  int cached_steps = 0;
  int slots_used = 0;

  std::deque<NodeRun*> ready_nodes;  // all dependencies final
  std::deque<StepRun*> ready_steps;  // want a slot
  bool in_service = false;           // is in the engine's list of runs to look at

  bool is_new = false, dirty = false;
  std::vector<StepRun*> dirty_steps;
  RunState stored_state = RunState::kPending;  // of its row; means nothing while it is new
  // What the last `run` event told, and when (monotonic; 0: none yet).
  RunState told_state = RunState::kPending;
  std::string told_message;
  base::Micros told_at = 0;
  std::vector<Run*>* dirty_runs = nullptr;  // the engine's list
  std::unordered_map<std::string, StepRun*> steps_by_id;

  int parallelism() const { return pipeline->parallelism; }
  void Touch() {
    if (!dirty) dirty_runs->push_back(this);
    dirty = true;
  }
  void Touch(StepRun& step, bool detail = false);
  // Keeps the counts by state right; every change of a state goes through here.
  void SetState(StepRun& step, StepState state);
  RunView View() const;
};

StepView ViewOf(const StepRun& step);

// The nodes of one scope with their dependency counts, each with its first iteration, pending. Made
// when a run starts and when a DAG's iteration starts.
std::unique_ptr<Scope> MakeScope(Run& run, StepRun* owner,
                                 const std::vector<std::unique_ptr<Node>>& nodes, base::Micros now);
// The same without iterations: recovery puts in those that it finds.
std::unique_ptr<Scope> MakeBareScope(Run& run, StepRun* owner,
                                     const std::vector<const Node*>& nodes);
// One more iteration of a node, new and pending.
StepRun& AddIteration(NodeRun& node, std::optional<int> index, base::Micros now);

// Where a step's files are.
std::string StepFolder(const StepRun& step);
std::string OutputPath(const StepRun& step, const std::string& artifact);
std::string JobFolder(const StepRun& step, int attempt);

}  // namespace regatta::flow

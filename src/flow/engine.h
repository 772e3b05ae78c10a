#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "flow/file_systems.h"
#include "flow/pipeline.h"
#include "flow/views.h"
#include "job/executor.h"
#include "store/store.h"

namespace regatta::flow {

// What becomes of the unfinished runs of an earlier owner.
enum class TakeUp {
  kAll,        // all go on at once
  kWhenAsked,  // a run goes on once it is stopped, or attached to; the others stay as they are
};

struct EngineOptions {
  store::Store* store = nullptr;  // must outlive the engine
  // Absolute folder for runs: <folder>/runs/<run id>/<step>/..., artifacts and job folders inside.
  std::string folder;
  // Makes the executor; the engine is its sink. Absent: the local one with default options.
  std::function<absl::StatusOr<std::unique_ptr<job::Executor>>(base::EventSink*)> make_executor;
  // Whether the executor runs steps in the image they name. If so, no Python of this machine enters
  // the cache key of such a step.
  bool uses_images = false;
  TakeUp take_up = TakeUp::kAll;
  FileSystemFolders file_systems;  // for fs_options and extra_fs of pipelines
  // A run that would have more fails: loops in loops can ask for ten billion.
  std::int64_t most_steps = 250'000;
};

struct RunRequest {
  std::string id;  // ULID; empty: the engine makes one
  std::string project = "default";
  std::string created_by;
  std::string yaml;
  std::string source;             // file name, for messages
  std::string working_directory;  // absolute; empty: the run's own folder
  std::string name;               // empty: the pipeline's name
  // Of the stored pipeline that `yaml` was taken from; empty and 0 otherwise. Only remembered.
  std::string pipeline_id;
  std::int64_t pipeline_version = 0;
  base::Json parameters = base::Json::object();
  std::vector<std::string> disabled;
  // Goes on with a run of the same text, folder and parameters that an earlier owner left
  // unfinished, if there is one; also one that has ended since, within ten minutes and once.
  bool attach_interrupted = false;
};

struct RetryRequest {
  std::string run_id;  // the run that did not succeed
  std::string id;      // the new run's, a ULID; empty: the engine makes one
  std::string created_by;
};

struct CreatedRun {
  RunView run;
  bool attached = false;  // an interrupted run that goes on, not a new one
};

struct RunFilter {
  std::string project = "default";
  std::vector<RunState> states;       // empty: all
  std::string name;                   // part of name or pipeline, case-insensitive
  std::string pipeline;               // the pipeline's own name, whole
  std::string pipeline_id;            // the stored pipeline it was started from
  std::int64_t pipeline_version = 0;  // 0: any
  std::string created_by;
  std::string sort = "created_at";  // created_at name state duration
  bool descending = true;
  int limit = 50;
  std::string cursor;  // from the page before; kInvalidArgument when it is not one of ours
};

struct RunPage {
  std::vector<RunView> items;
  std::int64_t total = 0;
  std::string next_cursor;  // empty on the last page
};

struct StepFilter {
  std::vector<StepState> states;  // empty: all
  std::string name;               // part of it, case-insensitive
  int limit = 50;
  std::string cursor;
};

struct StepPage {
  std::vector<StepView> items;
  std::int64_t total = 0;
  std::string next_cursor;
};

// One change, as the event stream tells it. Ids increase by commit order; an event is visible only
// once it is durable.
struct ChangeEvent {
  std::int64_t id = 0;
  std::string type;  // run step metric run_deleted
  std::string run_id;
  std::string data;  // JSON text
};

// Runs pipelines: decides what must run and what is cached, gives steps to the executor, keeps
// every state durable. One thread of its own does all of that in turns; each turn is one
// transaction, and nothing is told to anybody before it is committed. Thread-safe.
class Engine {
 public:
  // The tables of this room; give them to Store::Open.
  static store::Schema Schema();

  // Recovers unfinished runs (`take_up`): finished processes are read from their exit files, living
  // ones are adopted, the rest is scheduled. Returns once that is done.
  static absl::StatusOr<std::unique_ptr<Engine>> Open(EngineOptions options);
  // For a process that does not own the state directory: answers from what is stored and changes
  // nothing, starts nothing; an owner may work beside it. CreateRun and StopRun are
  // kFailedPrecondition, listeners are never woken. `store` may be open only to look.
  static absl::StatusOr<std::unique_ptr<Engine>> OpenToLook(store::Store* store);
  // Stops taking work and closes; processes of running steps go on and are adopted by the next
  // owner.
  virtual ~Engine() = default;

  // Durable when it returns. Bad pipelines: kInvalidArgument, and `problems` (may be null) has all
  // of them. An id that exists with the same content returns that run (a retry); with other content
  // kAlreadyExists.
  virtual absl::StatusOr<CreatedRun> CreateRun(const RunRequest& request,
                                               std::vector<Problem>* problems) = 0;
  // kNotFound; kFailedPrecondition for a final run, and for a second plain stop. A run of an
  // earlier owner that was not taken up yet is taken up to be stopped: nothing more of it is
  // started.
  virtual absl::StatusOr<RunView> StopRun(const std::string& run_id, bool force) = 0;

  // A new run of the same pipeline text, parameters and folder that takes over the steps of
  // `run_id` that succeeded or were skipped, with the artifacts where they are, and runs the rest.
  // A step whose artifacts are gone runs again, and so does what depends on it. Durable when it
  // returns. An id that exists as a retry of the same run returns that run. kNotFound;
  // kFailedPrecondition unless the run failed or was terminated; kAlreadyExists when the id is
  // another run's.
  virtual absl::StatusOr<RunView> RetryRun(const RetryRequest& request) = 0;

  // Forgets a run that has ended: its rows, what the cache has of it, and its folder. Durable when
  // it returns; a death in between leaves the run whole, or gone and its folder to the next owner.
  // kNotFound; kFailedPrecondition for an unfinished run, when an unfinished run uses its results,
  // and with `check_cache` also when one that has ended does (by the cache, or as its retry).
  virtual absl::Status DeleteRun(const std::string& run_id, bool check_cache) = 0;

  virtual absl::StatusOr<RunPage> ListRuns(const RunFilter& filter) = 0;
  virtual absl::StatusOr<RunDetail> GetRun(const std::string& run_id) = 0;
  virtual absl::StatusOr<StepPage> ListSteps(const std::string& run_id,
                                             const StepFilter& filter) = 0;
  virtual absl::StatusOr<StepDetail> GetStep(const std::string& run_id,
                                             const std::string& step_id) = 0;
  virtual absl::StatusOr<std::vector<MetricSeries>> GetMetrics(const std::string& run_id,
                                                               const std::string& step_id) = 0;
  // A step served from the cache answers with the log of the step it was taken from.
  virtual absl::StatusOr<job::LogRange> GetLog(const std::string& run_id,
                                               const std::string& step_id, int rank,
                                               std::int64_t offset, std::int64_t limit) = 0;
  // The file behind an output artifact, safe against `..` and links that leave the artifact.
  // kFailedPrecondition when the artifact is a folder and `path` names no file in it.
  virtual absl::StatusOr<std::string> ArtifactFile(const std::string& run_id,
                                                   const std::string& step_id,
                                                   const std::string& name,
                                                   const std::string& path) = 0;

  // Events with id > after, oldest first, at most `limit`. kOutOfRange when `after` is older than
  // what is kept (the last 100,000): the reader must start again from the lists.
  virtual absl::StatusOr<std::vector<ChangeEvent>> EventsAfter(std::int64_t after,
                                                               const std::string& run_id,
                                                               int limit) = 0;
  virtual std::int64_t LastEventId() = 0;
  // `wake` is called (from the engine's thread, must not block) after each commit that has events.
  // Returns a token for Unlisten; after Unlisten returns, `wake` is not called again.
  virtual std::int64_t Listen(std::function<void()> wake) = 0;
  virtual void Unlisten(std::int64_t token) = 0;
};

}  // namespace regatta::flow

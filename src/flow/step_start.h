#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/json.h"
#include "flow/artifacts.h"
#include "flow/cache_key.h"
#include "flow/cache_lookup.h"
#include "flow/file_systems.h"
#include "flow/pipeline.h"
#include "flow/views.h"
#include "job/job.h"
#include "store/store.h"

namespace regatta::flow {

// All that is needed to start a step, copied out of the engine's memory so that the work may happen
// on another thread.
struct StartRequest {
  std::shared_ptr<const Pipeline> pipeline;
  const Node* node = nullptr;  // inside `pipeline`
  std::string project, created_by, run_id, run_name;
  std::string step_id, step_name, node_path;
  std::string working_directory;  // the run's; empty: run_folder
  std::string state_folder;       // the engine's
  std::string run_folder;
  const FileSystemFolders* file_systems = nullptr;  // the engine's
  std::string job_id, job_folder;
  bool uses_images = false;  // EngineOptions::uses_images
  base::Json parameters = base::Json::object();
  base::Json loop_argument;
  std::map<std::string, ArtifactList> inputs;
  // "input train_set" -> "step prepare ran again": why an input may have changed.
  std::map<std::string, std::string> notes;
  std::map<std::string, std::string> output_paths;
};

struct StartDecision {
  absl::Status status;  // not OK: the step fails with this message
  std::optional<CacheHit> hit;
  job::JobSpec spec;  // when there is no hit
  std::string command;
  std::map<std::string, std::string> env;  // secrets hidden
  CacheReport report;
  std::string cache_key;        // empty: the result must not be reused
  bool latest_is_this = false;  // see CacheAnswer
  int replicas = 1;
};

// Resolves env and command, makes the cache key and looks it up, and else prepares the outputs'
// places and the job. Reads files and the store; changes nothing but the step's own folder.
// Nothing when it would have to read more than `budget` bytes, or to search for an interpreter:
// the caller then asks again, without a budget, on a thread that may take its time.
std::optional<StartDecision> DecideStart(const StartRequest& request, store::Store& store,
                                         std::int64_t budget);
inline constexpr std::int64_t kNoBudget = INT64_MAX;

// Rows keep the spec, so that after a crash exactly the same job is submitted again.
job::JobSpec JobSpecFrom(const base::Json& json);

}  // namespace regatta::flow

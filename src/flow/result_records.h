#pragma once

#include <string>

#include "absl/status/status.h"
#include "flow/run_state.h"
#include "store/store.h"

namespace regatta::flow {

// What is kept of results beside their steps: a list of all output artifacts, and which run took
// results of which, so that a run is not deleted under another.

// The outputs of a step that has succeeded; does nothing for others.
absl::Status WriteArtifacts(store::Transaction& transaction, const StepRun& step);

// `run_id` has steps whose results lie in the folder of `from_run_id`.
struct UseRecord {
  std::string run_id, from_run_id, project, created_by;
};
absl::Status WriteUse(store::Transaction& transaction, const UseRecord& record);

// Both lists for runs that were made before the lists were: once, after the program was upgraded.
absl::Status ListResultsOfOldRuns(store::Store& store);

// Takes a run away from everybody's sight. What is left of it has a row in flow_deleted_runs.
struct DeletionRecord {
  std::string run_id, project, created_by;
};
absl::Status WriteDeletion(store::Transaction& transaction, const DeletionRecord& record);
// Removes the steps of a deleted run, its folder, and then the mark. Short transactions, so that
// nobody waits for a large run. May be repeated.
absl::Status RemoveLeftovers(store::Store& store, const std::string& run_id,
                             const std::string& folder);

}  // namespace regatta::flow

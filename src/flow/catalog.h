#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/json.h"
#include "flow/views.h"
#include "store/store.h"

namespace regatta::flow {

// An output of a step that has succeeded. One that was taken from the cache, or taken over by a
// retry, names the step that wrote it.
struct ListedArtifact {
  ArtifactView artifact;
  std::string project, created_by, run_id, step_id, step_name, from_run_id, from_step_id;
  base::Micros created_at = 0;
};

struct ArtifactFilter {
  std::string project = "default";
  std::string run_id;
  std::string step;    // the step's name, whole
  std::string name;    // the artifact's, whole
  std::string kind;    // file folder
  std::string digest;  // "sha256:..."
  int limit = 50;
  std::string cursor;
};

struct ArtifactPage {
  std::vector<ListedArtifact> items;  // newest first
  std::int64_t total = 0;
  std::string next_cursor;
};

// A result that steps with the same key take instead of running. Its id is that of the step which
// made it.
struct CacheEntry {
  std::string id, project, created_by, key, run_id, run_name, step_name;
  bool failed = false;  // a failure, which only `compat: paddleflow` takes
  base::Micros created_at = 0;
  std::vector<ArtifactView> outputs;
};

struct CacheFilter {
  std::string project = "default";
  std::string run_id;
  std::string step;  // the step's name, whole
  std::string key;
  int limit = 50;
  std::string cursor;
};

struct CachePage {
  std::vector<CacheEntry> items;  // newest first
  std::int64_t total = 0;
  std::string next_cursor;
};

base::Json ToJson(const ListedArtifact& artifact);
base::Json ToJson(const CacheEntry& entry);

// What runs have left behind, over all of them. Thread-safe; `store` must outlive it.
class Catalog {
 public:
  explicit Catalog(store::Store* store) : store_(*store) {}

  absl::StatusOr<ArtifactPage> ListArtifacts(const ArtifactFilter& filter);
  // A folder's files are there. kNotFound.
  absl::StatusOr<ListedArtifact> GetArtifact(const std::string& run_id, const std::string& step_id,
                                             const std::string& name);

  absl::StatusOr<CachePage> ListCaches(const CacheFilter& filter);
  absl::StatusOr<CacheEntry> GetCache(const std::string& project, const std::string& id);
  // From then on steps with its key run. A step that was given the result before keeps it: the
  // files stay where they are. kNotFound. Durable when it returns.
  absl::Status DeleteCache(const std::string& project, const std::string& id);

 private:
  store::Store& store_;
};

}  // namespace regatta::flow

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/json.h"
#include "flow/pipeline.h"
#include "store/store.h"

namespace regatta::flow {

// One text of a stored pipeline. Versions are numbered from 1 and a number is never used again.
struct PipelineVersionView {
  std::string pipeline_id, pipeline_name, created_by, description, source, digest;
  std::int64_t version = 0;
  base::Micros created_at = 0;
  std::string yaml;  // only of one version, not in lists
};

struct PipelineView {
  std::string id, project, created_by, name, description;
  base::Micros created_at = 0, updated_at = 0;
  std::int64_t versions = 0;  // how many there are
  PipelineVersionView latest;
};

// ToJson gives exactly the shapes of docs/openapi.yaml; the text is there when it was read.
base::Json ToJson(const PipelineView& pipeline);
base::Json ToJson(const PipelineVersionView& version);

struct NewPipeline {
  std::string id;  // ULID; empty: one is made
  std::string project = "default";
  std::string created_by, name /* empty: the one in the text */, description, yaml;
  std::string source;  // file name, for messages
};

struct NewPipelineVersion {
  std::string project = "default";
  std::string pipeline;  // id or name
  std::string created_by, description, yaml, source;
};

struct AddedVersion {
  PipelineVersionView version;
  bool added = false;  // false: the newest version has this very text
};

struct PipelineFilter {
  std::string project = "default";
  std::string name;  // part of it, case-insensitive
  std::string created_by;
  std::string sort = "updated_at";  // name created_at updated_at
  bool descending = true;
  int limit = 50;
  std::string cursor;
};

struct PipelinePage {
  std::vector<PipelineView> items;
  std::int64_t total = 0;
  std::string next_cursor;
};

struct PipelineVersionPage {
  std::vector<PipelineVersionView> items;  // newest first
  std::int64_t total = 0;
  std::string next_cursor;
};

// Pipelines that are kept by name, each with the versions of its text. A run that is started from
// one has its own copy of the text. "pipeline" is an id or a name: a name cannot look like an id.
// Changes are durable when they return. Thread-safe; `store` must outlive it.
class PipelineStore {
 public:
  explicit PipelineStore(store::Store* store) : store_(*store) {}

  // With its first version. kInvalidArgument for a bad text (`problems`, may be null, has all that
  // is wrong with it) or name; kAlreadyExists when another one has the name. An id that exists with
  // the same name and text is a repeated request and returns that pipeline.
  absl::StatusOr<PipelineView> Create(const NewPipeline& request, std::vector<Problem>* problems);
  // The newest version is not added again. kNotFound, kInvalidArgument as above.
  absl::StatusOr<AddedVersion> AddVersion(const NewPipelineVersion& request,
                                          std::vector<Problem>* problems);
  absl::StatusOr<PipelinePage> List(const PipelineFilter& filter);
  // Its newest version's text is there. kNotFound.
  absl::StatusOr<PipelineView> Get(const std::string& project, const std::string& pipeline);
  absl::StatusOr<PipelineVersionPage> ListVersions(const std::string& project,
                                                   const std::string& pipeline, int limit,
                                                   const std::string& cursor);
  // `version` 0: the newest.
  absl::StatusOr<PipelineVersionView> GetVersion(const std::string& project,
                                                 const std::string& pipeline, std::int64_t version);
  // Runs keep their own copies, and what they were started from stays written in them.
  // kFailedPrecondition while a run of it is unfinished. Returns its id.
  absl::StatusOr<std::string> Delete(const std::string& project, const std::string& pipeline);
  // kFailedPrecondition also for the only version that is left.
  absl::Status DeleteVersion(const std::string& project, const std::string& pipeline,
                             std::int64_t version);

 private:
  absl::StatusOr<std::string> FindId(const std::string& project, const std::string& pipeline);
  absl::Status CheckUnused(store::Transaction& transaction, const std::string& id,
                           std::int64_t version);

  store::Store& store_;
};

}  // namespace regatta::flow

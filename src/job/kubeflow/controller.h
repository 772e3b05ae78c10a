#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/json.h"
#include "job/executor.h"
#include "job/kubeflow/model.h"
#include "store/store.h"

namespace regatta::job {

struct TrainingJobsOptions {
  store::Store* store = nullptr;  // must outlive the object
  std::string folder;             // absolute; jobs are in <folder>/jobs/<id>/<execution id>
  std::function<absl::StatusOr<std::unique_ptr<Executor>>(base::EventSink*)> make_executor;
  // Whether all unfinished jobs of an earlier owner are watched again, or each only when it is
  // asked to change.
  bool take_up = true;
};

struct TrainingJobRequest {
  std::string id;  // ULID; empty: one is made
  std::string project = "default";
  std::string created_by;
  std::string yaml;
  std::string source;             // file name, for messages
  std::string working_directory;  // absolute; empty: the job's own folder
};

struct TrainingJobFilter {
  std::string project = "default";
  std::vector<std::string> states;  // empty: all
  std::vector<std::string> kinds;   // "PyTorchJob", ...; empty: all
  std::string name;                 // part of the name
  int limit = 50;
  std::string cursor;
};

struct TrainingJobPage {
  std::vector<base::Json> items;
  std::int64_t total = 0;
  std::string next_cursor;  // empty on the last page
};

// The words of "state": created, running, restarting, suspended, succeeded, failed, deleting.
const std::vector<std::string>& TrainingJobStates();

// Kubeflow's training jobs on one machine: conditions, restart policies, deadlines, time to live,
// suspending, as its operator defines them. One job has an execution, a job of the executor, at a
// time; each resuming makes a new one. Every state is durable before it is told. Thread-safe.
//
// A job is told as JSON: docs/openapi.yaml has it (TrainingJob).
class TrainingJobs {
 public:
  static store::Schema Schema();
  static absl::StatusOr<std::unique_ptr<TrainingJobs>> Open(TrainingJobsOptions options);
  // Answers from what is stored and changes nothing.
  static absl::StatusOr<std::unique_ptr<TrainingJobs>> OpenToLook(store::Store* store);
  // Processes go on, and are adopted by the next owner.
  virtual ~TrainingJobs() = default;

  // Durable when it returns. kInvalidArgument for a bad file (`problems` may be null) and for a job
  // that can never run on this machine. The same id with the same file is the same job; with
  // another file kAlreadyExists.
  virtual absl::StatusOr<base::Json> Create(const TrainingJobRequest& request,
                                            std::vector<Problem>* problems) = 0;
  virtual absl::StatusOr<base::Json> Get(const std::string& id) = 0;
  virtual absl::StatusOr<TrainingJobPage> List(const TrainingJobFilter& filter) = 0;
  // `suspend`: stops its processes (`now`: at once) and keeps the job; else: starts them anew. OK
  // when it is so already; kFailedPrecondition for a finished job.
  virtual absl::StatusOr<base::Json> Suspend(const std::string& id, bool suspend, bool now) = 0;
  // Stops its processes, then forgets the job and its folder. OK when that is under way.
  virtual absl::Status Delete(const std::string& id) = 0;
  // `restarts` < 0: of the replica's last start.
  virtual absl::StatusOr<LogRange> GetLog(const std::string& id, int rank, int restarts,
                                          std::int64_t offset, std::int64_t limit) = 0;
};

}  // namespace regatta::job

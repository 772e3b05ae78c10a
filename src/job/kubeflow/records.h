#pragma once

#include <string>

#include "job/kubeflow/controller.h"

// How training jobs are kept in the store (queries.cc), and their conditions (conditions.cc).
namespace regatta::job {

struct TrainingRecord {
  std::string id, project, created_by, name, kind, state, source, working_directory, yaml;
  std::string execution;  // the executor's job now; empty: none
  std::string directory;  // of the last execution
  base::Micros created_at = 0;
  base::Micros started_at = 0;   // of this execution
  base::Micros finished_at = 0;  // Succeeded or Failed
  bool suspend = false;          // is asked for
  bool deleting = false;
  // Nothing of it runs and nothing more will happen, but for the end of its time to live.
  bool settled = false;
  base::Json status = base::Json::object();  // conditions, replica_statuses, replicas, warnings

  base::Json View() const;
};

// Kubeflow's conditions: of each type one, the last changed one at the end. Running and Restarting
// take each other's place, the end of the job makes Running false, and nothing changes after
// Failed.
void SetCondition(TrainingRecord& record, const std::string& type, bool holds,
                  const std::string& reason, const std::string& message);
void Unset(TrainingRecord& record, const std::string& type, const std::string& reason,
           const std::string& message);

absl::Status WriteRecord(store::Transaction& transaction, const TrainingRecord& record,
                         bool is_new);
absl::StatusOr<TrainingRecord> ReadRecord(store::Store& store, const std::string& id);
// Those that an owner has to look after.
absl::StatusOr<std::vector<TrainingRecord>> ReadUnsettled(store::Store& store);
absl::StatusOr<TrainingJobPage> ReadPage(store::Store& store, const TrainingJobFilter& filter);
absl::StatusOr<LogRange> ReadRecordLog(const TrainingRecord& record, int rank, int restarts,
                                       std::int64_t offset, std::int64_t limit);

}  // namespace regatta::job

#include "flow/result_records.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/fault.h"
#include "flow/records.h"

namespace regatta::flow {
namespace {

using base::Json;
using store::Row;
using store::Value;

// Steps of a deleted run that go in one transaction.
constexpr std::int64_t kPiece = 2000;

// The columns of a step's row that its artifacts repeat.
struct Producer {
  std::string step_id, run_id, project, created_by, step_name, from_run_id, from_step_id;
  base::Micros created_at = 0;
};

absl::Status WriteArtifact(store::Transaction& transaction, const Producer& by,
                           const std::string& name, const Artifact& artifact) {
  return transaction.Execute(
      "INSERT INTO flow_artifacts (step_id, name, run_id, project, created_by, step_name, kind, "
      "digest, bytes, path, from_run_id, from_step_id, created_at) "
      "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (step_id, name) DO NOTHING",
      {by.step_id, name, by.run_id, by.project, by.created_by, by.step_name, artifact.kind,
       artifact.digest, artifact.bytes, artifact.path, by.from_run_id, by.from_step_id,
       by.created_at});
}

absl::Status ListResultsOfStep(store::Transaction& transaction, const Producer& row,
                               const Json& detail) {
  Producer by = row;
  const CacheReport cache = CacheReportFrom(detail.value("cache", Json::object()));
  by.from_run_id = cache.from_run_id;
  by.from_step_id = cache.from_step_id;
  if (!by.from_run_id.empty()) {
    RETURN_IF_ERROR(WriteUse(transaction, {by.run_id, by.from_run_id, by.project, by.created_by}));
  }
  for (const auto& [name, list] : OutputsFromJson(detail.value("outputs", Json::object()))) {
    if (list.size() == 1) RETURN_IF_ERROR(WriteArtifact(transaction, by, name, list[0]));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteArtifacts(store::Transaction& transaction, const StepRun& step) {
  // What a DAG hands on is listed with the steps that wrote it.
  if (step.state != StepState::kSucceeded || step.outputs.empty() || step.is_dag()) {
    return absl::OkStatus();
  }
  const Run& run = step.run();
  const CacheReport& cache = step.detail->cache;
  const Producer by{step.id,
                    run.id,
                    run.project,
                    run.created_by,
                    step.name,
                    cache.from_run_id,
                    cache.from_step_id,
                    step.finished_at};
  for (const auto& [name, list] : step.outputs) {
    if (list.size() == 1) RETURN_IF_ERROR(WriteArtifact(transaction, by, name, list[0]));
  }
  return absl::OkStatus();
}

absl::Status WriteUse(store::Transaction& transaction, const UseRecord& record) {
  return transaction.Execute(
      "INSERT INTO flow_run_uses (run_id, from_run_id, project, created_by) VALUES (?,?,?,?) "
      "ON CONFLICT (run_id, from_run_id) DO NOTHING",
      {record.run_id, record.from_run_id, record.project, record.created_by});
}

absl::Status ListResultsOfOldRuns(store::Store& store) {
  ASSIGN_OR_RETURN(const std::vector<Row> runs,
                   store.Read("SELECT run_id FROM flow_unlisted_runs ORDER BY run_id"));
  for (const Row& run : runs) {
    const std::string run_id = run.Text(0);
    ASSIGN_OR_RETURN(store::Transaction transaction, store.Begin());
    ASSIGN_OR_RETURN(
        const std::vector<Row> steps,
        transaction.Query("SELECT s.id, s.project, s.created_by, s.name, s.finished_at, d.detail "
                          "FROM flow_steps s JOIN flow_step_details d ON d.step_id = s.id "
                          "WHERE s.run_id = ? AND s.state = ? AND s.kind <> ?",
                          {run_id, std::string(StateName(StepState::kSucceeded)), "dag"}));
    for (const Row& row : steps) {
      RETURN_IF_ERROR(ListResultsOfStep(
          transaction,
          {row.Text(0), run_id, row.Text(1), row.Text(2), row.Text(3), "", "", row.Int(4)},
          JsonColumn(row.Text(5))));
    }
    RETURN_IF_ERROR(
        transaction.Execute("DELETE FROM flow_unlisted_runs WHERE run_id = ?", {run_id}));
    RETURN_IF_ERROR(transaction.Commit());
  }
  return absl::OkStatus();
}

absl::Status WriteDeletion(store::Transaction& transaction, const DeletionRecord& record) {
  RETURN_IF_ERROR(transaction.Execute(
      "INSERT INTO flow_deleted_runs (run_id, project, created_by) VALUES (?,?,?)",
      {record.run_id, record.project, record.created_by}));
  // In one transaction with the run's own row: no list shows, and no step reuses, what belongs to a
  // run that is gone.
  for (const char* sql :
       {"DELETE FROM flow_cache WHERE run_id = ?", "DELETE FROM flow_artifacts WHERE run_id = ?",
        "DELETE FROM flow_run_uses WHERE run_id = ?",
        "DELETE FROM flow_run_uses WHERE from_run_id = ?",
        "DELETE FROM flow_run_specs WHERE run_id = ?", "DELETE FROM flow_runs WHERE id = ?"}) {
    RETURN_IF_ERROR(transaction.Execute(sql, {record.run_id}));
  }
  return absl::OkStatus();
}

absl::Status RemoveLeftovers(store::Store& store, const std::string& run_id,
                             const std::string& folder) {
  ASSIGN_OR_RETURN(
      const std::vector<Row> last,
      store.Read("SELECT MAX(ordinal), COUNT(*) FROM flow_steps WHERE run_id = ?", {run_id}));
  const std::int64_t end = last[0].Int(1) == 0 ? 0 : last[0].Int(0) + 1;
  for (std::int64_t upto = 0; upto < end;) {
    upto += kPiece;
    ASSIGN_OR_RETURN(store::Transaction transaction, store.Begin());
    constexpr char kSteps[] = "(SELECT id FROM flow_steps WHERE run_id = ? AND ordinal < ?)";
    for (const char* table : {"flow_metrics", "flow_step_details"}) {
      RETURN_IF_ERROR(transaction.Execute(
          absl::StrCat("DELETE FROM ", table, " WHERE step_id IN ", kSteps), {run_id, upto}));
    }
    RETURN_IF_ERROR(transaction.Execute("DELETE FROM flow_steps WHERE run_id = ? AND ordinal < ?",
                                        {run_id, upto}));
    RETURN_IF_ERROR(transaction.Commit());
  }
  REGATTA_FAULT("flow.delete.before_folder");
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  if (error) {
    return absl::InternalError(absl::StrCat("cannot remove ", folder, ": ", error.message()));
  }
  ASSIGN_OR_RETURN(store::Transaction transaction, store.Begin());
  RETURN_IF_ERROR(transaction.Execute("DELETE FROM flow_deleted_runs WHERE run_id = ?", {run_id}));
  return transaction.Commit();
}

}  // namespace regatta::flow

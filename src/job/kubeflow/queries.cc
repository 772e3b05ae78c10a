#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/ulid.h"
#include "job/kubeflow/records.h"

namespace regatta::job {
namespace {

using store::Value;

constexpr char kColumns[] =
    "id, project, created_by, name, kind, state, source, working_directory, yaml, execution, "
    "directory, created_at, started_at, finished_at, suspend, deleting, settled, status";

TrainingRecord RecordFrom(const store::Row& row) {
  TrainingRecord record;
  std::string* const texts[] = {
      &record.id,   &record.project,   &record.created_by, &record.name,
      &record.kind, &record.state,     &record.source,     &record.working_directory,
      &record.yaml, &record.execution, &record.directory};
  std::size_t at = 0;
  for (std::string* text : texts) *text = row.Text(at++);
  record.created_at = row.Int(11);
  record.started_at = row.Int(12);
  record.finished_at = row.Int(13);
  record.suspend = row.Bool(14);
  record.deleting = row.Bool(15);
  record.settled = row.Bool(16);
  if (auto status = base::ParseJson(row.Text(17)); status.ok() && status->is_object()) {
    record.status = *std::move(status);
  }
  return record;
}

void AddIn(const char* column, const std::vector<std::string>& values, std::string* where,
           std::vector<Value>* params) {
  if (values.empty()) return;
  absl::StrAppend(where, " AND ", column, " IN (");
  for (std::size_t i = 0; i < values.size(); ++i) {
    *where += i == 0 ? "?" : ",?";
    params->emplace_back(values[i]);
  }
  *where += ")";
}

}  // namespace

store::Schema TrainingJobs::Schema() {
  return {"job",
          {{1,
            "training jobs",
            {R"(CREATE TABLE job_training_jobs (
                 id TEXT PRIMARY KEY, project TEXT NOT NULL, created_by TEXT NOT NULL,
                 name TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
                 source TEXT NOT NULL, working_directory TEXT NOT NULL, yaml TEXT NOT NULL,
                 execution TEXT NOT NULL, directory TEXT NOT NULL, created_at BIGINT NOT NULL,
                 started_at BIGINT NOT NULL, finished_at BIGINT NOT NULL, suspend BIGINT NOT NULL,
                 deleting BIGINT NOT NULL, settled BIGINT NOT NULL, status TEXT NOT NULL))",
             "CREATE INDEX job_training_jobs_project ON job_training_jobs (project, id)",
             "CREATE INDEX job_training_jobs_settled ON job_training_jobs (settled)"}}}};
}

absl::Status WriteRecord(store::Transaction& transaction, const TrainingRecord& record,
                         bool is_new) {
  const std::string status = base::DumpJson(record.status);
  if (is_new) {
    return transaction.Execute(
        absl::StrCat("INSERT INTO job_training_jobs (", kColumns,
                     ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
        {record.id, record.project, record.created_by, record.name, record.kind, record.state,
         record.source, record.working_directory, record.yaml, record.execution, record.directory,
         record.created_at, record.started_at, record.finished_at, std::int64_t{record.suspend},
         std::int64_t{record.deleting}, std::int64_t{record.settled}, status});
  }
  return transaction.Execute(
      "UPDATE job_training_jobs SET state = ?, execution = ?, directory = ?, started_at = ?, "
      "finished_at = ?, suspend = ?, deleting = ?, settled = ?, status = ? WHERE id = ?",
      {record.state, record.execution, record.directory, record.started_at, record.finished_at,
       std::int64_t{record.suspend}, std::int64_t{record.deleting}, std::int64_t{record.settled},
       status, record.id});
}

absl::StatusOr<TrainingRecord> ReadRecord(store::Store& store, const std::string& id) {
  ASSIGN_OR_RETURN(
      const auto rows,
      store.Read(absl::StrCat("SELECT ", kColumns, " FROM job_training_jobs WHERE id = ?"), {id}));
  if (rows.empty()) return absl::NotFoundError(absl::StrCat("there is no job ", id));
  return RecordFrom(rows[0]);
}

absl::StatusOr<std::vector<TrainingRecord>> ReadUnsettled(store::Store& store) {
  ASSIGN_OR_RETURN(const auto rows,
                   store.Read(absl::StrCat("SELECT ", kColumns,
                                           " FROM job_training_jobs WHERE settled = 0 "
                                           "ORDER BY id")));
  std::vector<TrainingRecord> records;
  for (const store::Row& row : rows) records.push_back(RecordFrom(row));
  return records;
}

absl::StatusOr<TrainingJobPage> ReadPage(store::Store& store, const TrainingJobFilter& filter) {
  std::string where = "project = ?";
  std::vector<Value> params = {filter.project};
  AddIn("state", filter.states, &where, &params);
  AddIn("kind", filter.kinds, &where, &params);
  if (!filter.name.empty()) {
    std::string pattern = "%";
    for (const char c : filter.name) {
      if (c == '%' || c == '_' || c == '!') pattern += '!';
      pattern += c;
    }
    where += " AND name LIKE ? ESCAPE '!'";
    params.emplace_back(pattern + "%");
  }
  TrainingJobPage page;
  ASSIGN_OR_RETURN(
      const auto counts,
      store.Read(absl::StrCat("SELECT COUNT(*) FROM job_training_jobs WHERE ", where), params));
  page.total = counts[0].Int(0);
  if (!filter.cursor.empty()) {
    // Ids sort by creation, so the last one of a page says where the next begins.
    if (!base::IsUlid(filter.cursor)) {
      return absl::InvalidArgumentError(
          absl::StrCat("cursor \"", filter.cursor.substr(0, 64),
                       "\" does not belong to this list; take next_cursor of the page before"));
    }
    where += " AND id < ?";
    params.emplace_back(filter.cursor);
  }
  params.emplace_back(std::int64_t{filter.limit} + 1);
  ASSIGN_OR_RETURN(const auto rows,
                   store.Read(absl::StrCat("SELECT ", kColumns, " FROM job_training_jobs WHERE ",
                                           where, " ORDER BY id DESC LIMIT ?"),
                              params));
  for (const store::Row& row : rows) {
    if (page.items.size() == static_cast<std::size_t>(filter.limit)) {
      page.next_cursor = page.items.back().value("id", "");
      break;
    }
    page.items.push_back(RecordFrom(row).View());
  }
  return page;
}

base::Json TrainingRecord::View() const {
  base::Json view = {{"id", id},
                     {"project", project},
                     {"created_by", created_by},
                     {"name", name},
                     {"kind", kind},
                     {"state", deleting ? "deleting" : state},
                     {"source", source},
                     {"directory", directory},
                     {"created_at", created_at},
                     {"conditions", base::Json::array()},
                     {"replica_statuses", base::Json::object()},
                     {"replicas", base::Json::array()},
                     {"warnings", base::Json::array()},
                     {"message", ""}};
  for (const auto& [key, value] : status.items()) view[key] = value;
  if (started_at != 0) view["started_at"] = started_at;
  if (finished_at != 0) view["finished_at"] = finished_at;
  return view;
}

absl::StatusOr<LogRange> ReadRecordLog(const TrainingRecord& record, int rank, int restarts,
                                       std::int64_t offset, std::int64_t limit) {
  const base::Json replicas = record.status.value("replicas", base::Json::array());
  if (rank < 0 || static_cast<std::size_t>(rank) >= replicas.size()) {
    return absl::NotFoundError(absl::StrCat("job ", record.id, " has no rank ", rank, " (it has ",
                                            replicas.size(), " replicas)"));
  }
  const int last = replicas[static_cast<std::size_t>(rank)].value("restarts", 0);
  if (restarts > last) {
    return absl::NotFoundError(
        absl::StrCat("rank ", rank, " was started again ", last, " times, not ", restarts));
  }
  auto range = ReadLog(record.directory, rank, offset, limit, restarts < 0 ? last : restarts);
  // It has written nothing yet.
  if (absl::IsNotFound(range.status())) return LogRange{};
  return range;
}

}  // namespace regatta::job

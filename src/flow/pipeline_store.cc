#include "flow/pipeline_store.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/sha256.h"
#include "base/ulid.h"
#include "flow/cursor.h"
#include "flow/filter.h"
#include "flow/names.h"
#include "flow/parse.h"

namespace regatta::flow {
namespace {

using base::Json;
using store::Row;
using store::Transaction;

// A pipeline beside its newest version.
constexpr char kPipelineColumns[] =
    "p.id, p.project, p.created_by, p.name, p.description, p.created_at, p.updated_at, "
    "(SELECT COUNT(*) FROM flow_pipeline_versions n WHERE n.pipeline_id = p.id), "
    "v.version, v.created_by, v.description, v.source, v.digest, v.created_at";
constexpr char kFromPipelines[] =
    " FROM flow_pipelines p JOIN flow_pipeline_versions v ON v.pipeline_id = p.id AND v.version = "
    "(SELECT MAX(m.version) FROM flow_pipeline_versions m WHERE m.pipeline_id = p.id) ";
constexpr char kVersionColumns[] =
    "v.version, v.created_by, v.description, v.source, v.digest, v.created_at, p.id, p.name";

PipelineVersionView VersionFrom(const Row& row, std::size_t at) {
  PipelineVersionView version;
  version.version = row.Int(at);
  version.created_by = row.Text(at + 1);
  version.description = row.Text(at + 2);
  version.source = row.Text(at + 3);
  version.digest = row.Text(at + 4);
  version.created_at = row.Int(at + 5);
  return version;
}

PipelineView PipelineFrom(const Row& row) {
  PipelineView pipeline;
  pipeline.id = row.Text(0);
  pipeline.project = row.Text(1);
  pipeline.created_by = row.Text(2);
  pipeline.name = row.Text(3);
  pipeline.description = row.Text(4);
  pipeline.created_at = row.Int(5);
  pipeline.updated_at = row.Int(6);
  pipeline.versions = row.Int(7);
  pipeline.latest = VersionFrom(row, 8);
  pipeline.latest.pipeline_id = pipeline.id;
  pipeline.latest.pipeline_name = pipeline.name;
  return pipeline;
}

PipelineVersionView NamedVersionFrom(const Row& row) {
  PipelineVersionView version = VersionFrom(row, 0);
  version.pipeline_id = row.Text(6);
  version.pipeline_name = row.Text(7);
  return version;
}

absl::Status NoPipeline(const std::string& pipeline) {
  return absl::NotFoundError(absl::StrCat("there is no pipeline \"", pipeline, "\""));
}

absl::Status NoVersion(const std::string& pipeline, std::int64_t version) {
  return absl::NotFoundError(absl::StrCat("pipeline \"", pipeline, "\" has no version ", version));
}

absl::StatusOr<Pipeline> Read(const std::string& yaml, const std::string& source,
                              std::vector<Problem>* problems) {
  ParseOptions options;
  if (!source.empty()) options.file = source;
  return ParsePipeline(yaml, options, problems);
}

std::string DigestOf(const std::string& yaml) { return "sha256:" + base::Sha256Hex(yaml); }

absl::Status InsertVersion(Transaction& transaction, const std::string& project,
                           const PipelineVersionView& version) {
  return transaction.Execute(
      "INSERT INTO flow_pipeline_versions (pipeline_id, version, project, created_by, description, "
      "source, digest, created_at, yaml) VALUES (?,?,?,?,?,?,?,?,?)",
      {version.pipeline_id, version.version, project, version.created_by, version.description,
       version.source, version.digest, version.created_at, version.yaml});
}

}  // namespace

Json ToJson(const PipelineVersionView& version) {
  Json json = {{"pipeline_id", version.pipeline_id}, {"pipeline", version.pipeline_name},
               {"version", version.version},         {"created_by", version.created_by},
               {"description", version.description}, {"source", version.source},
               {"digest", version.digest},           {"created_at", version.created_at}};
  if (!version.yaml.empty()) json["yaml"] = version.yaml;
  return json;
}

Json ToJson(const PipelineView& pipeline) {
  return {{"id", pipeline.id},
          {"project", pipeline.project},
          {"created_by", pipeline.created_by},
          {"name", pipeline.name},
          {"description", pipeline.description},
          {"created_at", pipeline.created_at},
          {"updated_at", pipeline.updated_at},
          {"versions", pipeline.versions},
          {"latest", ToJson(pipeline.latest)}};
}

absl::StatusOr<std::string> PipelineStore::FindId(const std::string& project,
                                                  const std::string& pipeline) {
  const char* column = base::IsUlid(pipeline) ? "id" : "name";
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   store_.Read(absl::StrCat("SELECT id FROM flow_pipelines WHERE project = ? AND ",
                                            column, " = ?"),
                               {project, pipeline}));
  if (rows.empty()) return NoPipeline(pipeline);
  return rows[0].Text(0);
}

absl::StatusOr<PipelineView> PipelineStore::Create(const NewPipeline& request,
                                                   std::vector<Problem>* problems) {
  ASSIGN_OR_RETURN(const Pipeline read, Read(request.yaml, request.source, problems));
  const std::string name = request.name.empty() ? read.name : request.name;
  if (!IsPipelineName(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name,
                     "\" is no name for a pipeline: names have letters, digits, \"-\" and \"_\", "
                     "begin with a letter or \"_\" and have at most 128 characters"));
  }
  const std::string id = request.id.empty() ? base::NewUlid() : request.id;
  const std::string digest = DigestOf(request.yaml);
  ASSIGN_OR_RETURN(Transaction transaction, store_.Begin());
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   transaction.Query(absl::StrCat("SELECT ", kPipelineColumns, kFromPipelines,
                                                  "WHERE p.project = ? AND p.name = ?"),
                                     {request.project, name}));
  if (!rows.empty()) {
    transaction.Rollback();
    const PipelineView existing = PipelineFrom(rows[0]);
    if (existing.id == id && existing.latest.digest == digest) return Get(request.project, id);
    return absl::AlreadyExistsError(absl::StrCat("pipeline \"", name, "\" exists (", existing.id,
                                                 "); add a version to it, or take another name"));
  }
  const base::Micros now = base::NowMicros();
  RETURN_IF_ERROR(transaction.Execute(
      "INSERT INTO flow_pipelines (id, project, created_by, name, description, created_at, "
      "updated_at, last_version) VALUES (?,?,?,?,?,?,?,1)",
      {id, request.project, request.created_by, name, request.description, now, now}));
  PipelineVersionView version;
  version.pipeline_id = id;
  version.version = 1;
  version.created_by = request.created_by;
  version.source = request.source;
  version.digest = digest;
  version.created_at = now;
  version.yaml = request.yaml;
  RETURN_IF_ERROR(InsertVersion(transaction, request.project, version));
  RETURN_IF_ERROR(transaction.Commit());
  return Get(request.project, id);
}

absl::StatusOr<AddedVersion> PipelineStore::AddVersion(const NewPipelineVersion& request,
                                                       std::vector<Problem>* problems) {
  ASSIGN_OR_RETURN(const std::string id, FindId(request.project, request.pipeline));
  RETURN_IF_ERROR(Read(request.yaml, request.source, problems).status());
  const std::string digest = DigestOf(request.yaml);
  ASSIGN_OR_RETURN(Transaction transaction, store_.Begin());
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   transaction.Query("SELECT p.last_version, v.version, v.digest "
                                     "FROM flow_pipelines p JOIN flow_pipeline_versions v "
                                     "ON v.pipeline_id = p.id WHERE p.id = ? "
                                     "ORDER BY v.version DESC LIMIT 1",
                                     {id}));
  if (rows.empty()) return NoPipeline(request.pipeline);
  if (rows[0].Text(2) == digest) {
    transaction.Rollback();
    ASSIGN_OR_RETURN(const PipelineVersionView newest,
                     GetVersion(request.project, id, rows[0].Int(1)));
    return AddedVersion{newest, false};
  }
  PipelineVersionView version;
  version.pipeline_id = id;
  version.version = rows[0].Int(0) + 1;
  version.created_by = request.created_by;
  version.description = request.description;
  version.source = request.source;
  version.digest = digest;
  version.created_at = base::NowMicros();
  version.yaml = request.yaml;
  RETURN_IF_ERROR(InsertVersion(transaction, request.project, version));
  RETURN_IF_ERROR(
      transaction.Execute("UPDATE flow_pipelines SET last_version = ?, updated_at = ? WHERE id = ?",
                          {version.version, version.created_at, id}));
  RETURN_IF_ERROR(transaction.Commit());
  ASSIGN_OR_RETURN(version, GetVersion(request.project, id, version.version));
  return AddedVersion{version, true};
}

absl::StatusOr<PipelinePage> PipelineStore::List(const PipelineFilter& filter) {
  static const std::map<std::string, std::size_t> columns = {
      {"name", 3}, {"created_at", 5}, {"updated_at", 6}};
  const auto column = columns.find(filter.sort);
  if (column == columns.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot sort by \"", filter.sort, "\"; use name, created_at or updated_at"));
  }
  const std::string name = "p." + column->first;
  const std::string kind =
      absl::StrCat("pipelines ", column->first, filter.descending ? " desc" : " asc");
  Filter sql;
  sql.And("p.project = ?", filter.project);
  if (!filter.name.empty()) {
    sql.And("LOWER(p.name) LIKE ? ESCAPE '!'", LikePattern(filter.name));
  }
  sql.AndIfGiven("p.created_by = ?", filter.created_by);
  PipelinePage page;
  ASSIGN_OR_RETURN(
      const std::vector<Row> total,
      store_.Read("SELECT COUNT(*) FROM flow_pipelines p WHERE " + sql.where, sql.params));
  page.total = total[0].Int(0);
  if (!filter.cursor.empty()) {
    ASSIGN_OR_RETURN(const Json key, ReadCursor(filter.cursor, kind, 2));
    const char* after = filter.descending ? "<" : ">";
    sql.And(absl::StrCat(name, " ", after, "= ?"), ValueOf(key[0]));
    sql.And(absl::StrCat("(", name, " ", after, " ? OR p.id ", after, " ?)"), ValueOf(key[0]));
    sql.params.push_back(ValueOf(key[1]));
  }
  const int limit = std::clamp(filter.limit, 1, 1000);
  const char* order = filter.descending ? " DESC" : " ASC";
  sql.params.emplace_back(static_cast<std::int64_t>(limit + 1));
  ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      store_.Read(absl::StrCat("SELECT ", kPipelineColumns, kFromPipelines, "WHERE ", sql.where,
                               " ORDER BY ", name, order, ", p.id", order, " LIMIT ?"),
                  sql.params));
  for (const Row& row : rows) {
    if (static_cast<int>(page.items.size()) == limit) {
      const Row& last = rows[static_cast<std::size_t>(limit) - 1];
      const std::size_t at = column->second;
      const Json key = column->first == "name" ? Json(last.Text(at)) : Json(last.Int(at));
      page.next_cursor = MakeCursor(kind, Json::array({key, last.Text(0)}));
      break;
    }
    page.items.push_back(PipelineFrom(row));
  }
  return page;
}

absl::StatusOr<PipelineView> PipelineStore::Get(const std::string& project,
                                                const std::string& pipeline) {
  ASSIGN_OR_RETURN(const std::string id, FindId(project, pipeline));
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   store_.Read(absl::StrCat("SELECT ", kPipelineColumns, ", v.yaml", kFromPipelines,
                                            "WHERE p.id = ?"),
                               {id}));
  if (rows.empty()) return NoPipeline(pipeline);
  PipelineView view = PipelineFrom(rows[0]);
  view.latest.yaml = rows[0].Text(14);
  return view;
}

absl::StatusOr<PipelineVersionPage> PipelineStore::ListVersions(const std::string& project,
                                                                const std::string& pipeline,
                                                                int limit,
                                                                const std::string& cursor) {
  ASSIGN_OR_RETURN(const std::string id, FindId(project, pipeline));
  PipelineVersionPage page;
  ASSIGN_OR_RETURN(
      const std::vector<Row> total,
      store_.Read("SELECT COUNT(*) FROM flow_pipeline_versions WHERE pipeline_id = ?", {id}));
  page.total = total[0].Int(0);
  Filter sql;
  sql.And("p.id = ?", id);
  if (!cursor.empty()) {
    ASSIGN_OR_RETURN(const Json key, ReadCursor(cursor, "pipeline versions", 1));
    sql.And("v.version < ?", ValueOf(key[0]));
  }
  limit = std::clamp(limit, 1, 1000);
  sql.params.emplace_back(static_cast<std::int64_t>(limit + 1));
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   store_.Read(absl::StrCat("SELECT ", kVersionColumns,
                                            " FROM flow_pipelines p JOIN flow_pipeline_versions v "
                                            "ON v.pipeline_id = p.id WHERE ",
                                            sql.where, " ORDER BY v.version DESC LIMIT ?"),
                               sql.params));
  for (const Row& row : rows) {
    if (static_cast<int>(page.items.size()) == limit) {
      page.next_cursor = MakeCursor("pipeline versions", Json::array({page.items.back().version}));
      break;
    }
    page.items.push_back(NamedVersionFrom(row));
  }
  return page;
}

absl::StatusOr<PipelineVersionView> PipelineStore::GetVersion(const std::string& project,
                                                              const std::string& pipeline,
                                                              std::int64_t version) {
  if (version == 0) {
    ASSIGN_OR_RETURN(PipelineView view, Get(project, pipeline));
    return view.latest;
  }
  ASSIGN_OR_RETURN(const std::string id, FindId(project, pipeline));
  ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      store_.Read(absl::StrCat("SELECT ", kVersionColumns,
                               ", v.yaml FROM flow_pipelines p JOIN flow_pipeline_versions v "
                               "ON v.pipeline_id = p.id WHERE p.id = ? AND v.version = ?"),
                  {id, version}));
  if (rows.empty()) return NoVersion(pipeline, version);
  PipelineVersionView view = NamedVersionFrom(rows[0]);
  view.yaml = rows[0].Text(8);
  return view;
}

absl::Status PipelineStore::CheckUnused(Transaction& transaction, const std::string& id,
                                        std::int64_t version) {
  Filter sql;
  sql.And("pipeline_id = ?", id);
  if (version > 0) sql.And("pipeline_version = ?", version);
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   transaction.Query(absl::StrCat("SELECT id, name, state FROM flow_runs WHERE ",
                                                  sql.where, " AND finished_at = 0 LIMIT 1"),
                                     sql.params));
  if (rows.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("run ", rows[0].Text(0), " (", rows[0].Text(1),
                                                    ") of it is ", rows[0].Text(2),
                                                    "; wait for its end, or stop it first"));
}

absl::StatusOr<std::string> PipelineStore::Delete(const std::string& project,
                                                  const std::string& pipeline) {
  ASSIGN_OR_RETURN(std::string id, FindId(project, pipeline));
  ASSIGN_OR_RETURN(Transaction transaction, store_.Begin());
  RETURN_IF_ERROR(CheckUnused(transaction, id, 0));
  RETURN_IF_ERROR(
      transaction.Execute("DELETE FROM flow_pipeline_versions WHERE pipeline_id = ?", {id}));
  ASSIGN_OR_RETURN(const std::int64_t deleted,
                   transaction.ExecuteCount("DELETE FROM flow_pipelines WHERE id = ?", {id}));
  if (deleted == 0) return NoPipeline(pipeline);
  RETURN_IF_ERROR(transaction.Commit());
  return id;
}

absl::Status PipelineStore::DeleteVersion(const std::string& project, const std::string& pipeline,
                                          std::int64_t version) {
  ASSIGN_OR_RETURN(const std::string id, FindId(project, pipeline));
  ASSIGN_OR_RETURN(Transaction transaction, store_.Begin());
  ASSIGN_OR_RETURN(
      const std::vector<Row> versions,
      transaction.Query("SELECT version FROM flow_pipeline_versions WHERE pipeline_id = ?", {id}));
  const bool is_there = std::any_of(versions.begin(), versions.end(),
                                    [&](const Row& row) { return row.Int(0) == version; });
  if (!is_there) return NoVersion(pipeline, version);
  if (versions.size() == 1) {
    return absl::FailedPreconditionError(absl::StrCat("version ", version,
                                                      " is the only one of pipeline \"", pipeline,
                                                      "\"; delete the pipeline instead"));
  }
  RETURN_IF_ERROR(CheckUnused(transaction, id, version));
  RETURN_IF_ERROR(transaction.Execute(
      "DELETE FROM flow_pipeline_versions WHERE pipeline_id = ? AND version = ?", {id, version}));
  return transaction.Commit();
}

}  // namespace regatta::flow

#include "flow/catalog.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "flow/cache_lookup.h"
#include "flow/cursor.h"
#include "flow/filter.h"
#include "flow/records.h"

namespace regatta::flow {
namespace {

using base::Json;
using store::Row;

constexpr std::size_t kFilesShown = 200;
constexpr char kArtifactColumns[] =
    "step_id, name, run_id, project, created_by, step_name, kind, digest, bytes, path, "
    "from_run_id, from_step_id, created_at";
constexpr char kCacheColumns[] =
    "step_id, project, created_by, cache_key, run_id, run_name, step_name, finished_at, outputs";

ListedArtifact ArtifactFrom(const Row& row) {
  ListedArtifact listed;
  listed.step_id = row.Text(0);
  listed.artifact.name = row.Text(1);
  listed.run_id = row.Text(2);
  listed.project = row.Text(3);
  listed.created_by = row.Text(4);
  listed.step_name = row.Text(5);
  listed.artifact.kind = row.Text(6);
  listed.artifact.digest = row.Text(7);
  listed.artifact.bytes = row.Int(8);
  listed.artifact.path = row.Text(9);
  listed.from_run_id = row.Text(10);
  listed.from_step_id = row.Text(11);
  listed.created_at = row.Int(12);
  return listed;
}

CacheEntry CacheFrom(const Row& row) {
  CacheEntry entry;
  entry.id = row.Text(0);
  entry.project = row.Text(1);
  entry.created_by = row.Text(2);
  entry.key = row.Text(3);
  entry.run_id = row.Text(4);
  entry.run_name = row.Text(5);
  entry.step_name = row.Text(6);
  entry.created_at = row.Int(7);
  const std::string failed = FailureKey("");
  entry.failed = entry.key.ends_with(failed);
  if (entry.failed) entry.key.resize(entry.key.size() - failed.size());
  for (const auto& [name, list] : OutputsFromJson(JsonColumn(row.Text(8)))) {
    for (const Artifact& artifact : list) {
      ArtifactView& view = entry.outputs.emplace_back();
      view.name = name;
      view.path = artifact.path;
      view.kind = artifact.kind;
      view.digest = artifact.digest;
      view.bytes = artifact.bytes;
    }
  }
  return entry;
}

absl::Status NoCache(const std::string& id) {
  return absl::NotFoundError(absl::StrCat("the cache has no entry ", id));
}

}  // namespace

Json ToJson(const ListedArtifact& listed) {
  Json json = ToJson(listed.artifact);
  json["project"] = listed.project;
  json["created_by"] = listed.created_by;
  json["run_id"] = listed.run_id;
  json["step_id"] = listed.step_id;
  json["step"] = listed.step_name;
  json["created_at"] = listed.created_at;
  if (!listed.from_run_id.empty()) {
    json["from_run_id"] = listed.from_run_id;
    json["from_step_id"] = listed.from_step_id;
  }
  return json;
}

Json ToJson(const CacheEntry& entry) {
  Json json = {{"id", entry.id},
               {"project", entry.project},
               {"created_by", entry.created_by},
               {"key", entry.key},
               {"run_id", entry.run_id},
               {"run_name", entry.run_name},
               {"step_id", entry.id},
               {"step", entry.step_name},
               {"result", entry.failed ? "failed" : "succeeded"},
               {"created_at", entry.created_at},
               {"outputs", Json::array()}};
  for (const ArtifactView& output : entry.outputs) json["outputs"].push_back(ToJson(output));
  return json;
}

absl::StatusOr<ArtifactPage> Catalog::ListArtifacts(const ArtifactFilter& filter) {
  Filter sql;
  sql.And("project = ?", filter.project);
  sql.AndIfGiven("run_id = ?", filter.run_id);
  sql.AndIfGiven("step_name = ?", filter.step);
  sql.AndIfGiven("name = ?", filter.name);
  sql.AndIfGiven("kind = ?", filter.kind);
  sql.AndIfGiven("digest = ?", filter.digest);
  ArtifactPage page;
  ASSIGN_OR_RETURN(
      const std::vector<Row> total,
      store_.Read("SELECT COUNT(*) FROM flow_artifacts WHERE " + sql.where, sql.params));
  page.total = total[0].Int(0);
  if (!filter.cursor.empty()) {
    ASSIGN_OR_RETURN(const Json key, ReadCursor(filter.cursor, "artifacts", 3));
    sql.And("created_at <= ?", ValueOf(key[0]));
    sql.And("(created_at < ? OR step_id < ? OR (step_id = ? AND name < ?))", ValueOf(key[0]));
    sql.params.push_back(ValueOf(key[1]));
    sql.params.push_back(ValueOf(key[1]));
    sql.params.push_back(ValueOf(key[2]));
  }
  const int limit = std::clamp(filter.limit, 1, 1000);
  sql.params.emplace_back(static_cast<std::int64_t>(limit + 1));
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   store_.Read(absl::StrCat("SELECT ", kArtifactColumns,
                                            " FROM flow_artifacts WHERE ", sql.where,
                                            " ORDER BY created_at DESC, step_id DESC, name DESC "
                                            "LIMIT ?"),
                               sql.params));
  for (const Row& row : rows) {
    if (static_cast<int>(page.items.size()) == limit) {
      const ListedArtifact& last = page.items.back();
      page.next_cursor =
          MakeCursor("artifacts", Json::array({last.created_at, last.step_id, last.artifact.name}));
      break;
    }
    page.items.push_back(ArtifactFrom(row));
  }
  return page;
}

absl::StatusOr<ListedArtifact> Catalog::GetArtifact(const std::string& run_id,
                                                    const std::string& step_id,
                                                    const std::string& name) {
  ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      store_.Read(
          absl::StrCat("SELECT ", kArtifactColumns,
                       " FROM flow_artifacts WHERE step_id = ? AND run_id = ? AND name = ?"),
          {step_id, run_id, name}));
  if (rows.empty()) {
    return absl::NotFoundError(absl::StrCat("step ", step_id, " in run ", run_id,
                                            " has no output artifact \"", name, "\""));
  }
  ListedArtifact listed = ArtifactFrom(rows[0]);
  ArtifactView& artifact = listed.artifact;
  if (artifact.kind == "file") artifact.media_type = GuessMediaType(artifact.path);
  if (artifact.kind == "folder") artifact.files = ListFiles(artifact.path, kFilesShown);
  return listed;
}

absl::StatusOr<CachePage> Catalog::ListCaches(const CacheFilter& filter) {
  Filter sql;
  sql.And("project = ?", filter.project);
  sql.AndIfGiven("run_id = ?", filter.run_id);
  sql.AndIfGiven("step_name = ?", filter.step);
  if (!filter.key.empty()) {
    sql.And("cache_key IN (?, ?)", filter.key);
    sql.params.emplace_back(FailureKey(filter.key));
  }
  CachePage page;
  ASSIGN_OR_RETURN(const std::vector<Row> total,
                   store_.Read("SELECT COUNT(*) FROM flow_cache WHERE " + sql.where, sql.params));
  page.total = total[0].Int(0);
  if (!filter.cursor.empty()) {
    ASSIGN_OR_RETURN(const Json key, ReadCursor(filter.cursor, "caches", 2));
    sql.And("finished_at <= ?", ValueOf(key[0]));
    sql.And("(finished_at < ? OR step_id < ?)", ValueOf(key[0]));
    sql.params.push_back(ValueOf(key[1]));
  }
  const int limit = std::clamp(filter.limit, 1, 1000);
  sql.params.emplace_back(static_cast<std::int64_t>(limit + 1));
  ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      store_.Read(absl::StrCat("SELECT ", kCacheColumns, " FROM flow_cache WHERE ", sql.where,
                               " ORDER BY finished_at DESC, step_id DESC LIMIT ?"),
                  sql.params));
  for (const Row& row : rows) {
    if (static_cast<int>(page.items.size()) == limit) {
      const CacheEntry& last = page.items.back();
      page.next_cursor = MakeCursor("caches", Json::array({last.created_at, last.id}));
      break;
    }
    page.items.push_back(CacheFrom(row));
  }
  return page;
}

absl::StatusOr<CacheEntry> Catalog::GetCache(const std::string& project, const std::string& id) {
  ASSIGN_OR_RETURN(const std::vector<Row> rows,
                   store_.Read(absl::StrCat("SELECT ", kCacheColumns,
                                            " FROM flow_cache WHERE step_id = ? AND project = ?"),
                               {id, project}));
  if (rows.empty()) return NoCache(id);
  return CacheFrom(rows[0]);
}

absl::Status Catalog::DeleteCache(const std::string& project, const std::string& id) {
  ASSIGN_OR_RETURN(store::Transaction transaction, store_.Begin());
  ASSIGN_OR_RETURN(const std::int64_t deleted,
                   transaction.ExecuteCount(
                       "DELETE FROM flow_cache WHERE step_id = ? AND project = ?", {id, project}));
  if (deleted == 0) return NoCache(id);
  return transaction.Commit();
}

}  // namespace regatta::flow

#include "store/migrate.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/clock.h"
#include "base/fault.h"

namespace regatta::store::internal {
namespace {

absl::Status CheckSchema(const Schema& schema) {
  for (std::size_t i = 0; i < schema.migrations.size(); ++i) {
    if (schema.migrations[i].version != static_cast<int>(i) + 1) {
      return absl::InvalidArgumentError(absl::StrCat("room ", schema.room, ": migration ", i + 1,
                                                     " has version ", schema.migrations[i].version,
                                                     "; versions are 1, 2, 3, ... in order"));
    }
  }
  return absl::OkStatus();
}

// Runs `body` between Begin and Commit.
template <typename Body>
absl::Status InTransaction(Connection& connection, Body body) {
  RETURN_IF_ERROR(connection.Begin());
  absl::Status status = body();
  if (status.ok()) status = connection.Commit();
  if (!status.ok()) connection.Rollback();
  return status;
}

absl::StatusOr<std::map<std::string, int>> ReadVersions(Connection& connection) {
  std::vector<Row> rows;
  RETURN_IF_ERROR(connection.Run("SELECT room, MAX(version) FROM schema_versions GROUP BY room", {},
                                 &rows, nullptr));
  std::map<std::string, int> versions;
  for (const Row& row : rows) versions[row.Text(0)] = static_cast<int>(row.Int(1));
  return versions;
}

absl::Status MigrateRoom(Connection& connection, const Schema& schema) {
  ASSIGN_OR_RETURN(auto versions, ReadVersions(connection));
  const int current = versions[schema.room];
  for (const Migration& migration : schema.migrations) {
    if (migration.version <= current) continue;
    for (const std::string& statement : migration.statements) {
      RETURN_IF_ERROR(Annotate(connection.Run(statement, {}, nullptr, nullptr),
                               absl::StrCat("room ", schema.room, ", migration ", migration.version,
                                            " \"", migration.name, "\"")));
      REGATTA_FAULT("store.migrate.after_statement");
    }
    RETURN_IF_ERROR(connection.Run(
        "INSERT INTO schema_versions (room, version, name, applied_at) VALUES (?, ?, ?, ?)",
        {schema.room, migration.version, migration.name, base::NowMicros()}, nullptr, nullptr));
  }
  return absl::OkStatus();
}

// Whether a schema of the database is older than ours; an error when one is newer.
absl::StatusOr<bool> IsBehind(Connection& connection, const std::string& shown,
                              absl::Span<const Schema> schemas) {
  ASSIGN_OR_RETURN(auto versions, ReadVersions(connection));
  bool behind = false;
  for (const Schema& schema : schemas) {
    const int known = static_cast<int>(schema.migrations.size());
    const int stored = versions[schema.room];
    behind = behind || stored < known;
    if (stored > known) {
      return absl::FailedPreconditionError(absl::StrCat(
          shown, " was written by a newer Regatta (room ", schema.room, " at schema ", stored,
          ", this program knows ", known, "): use that version, or another --home"));
    }
  }
  return behind;
}

}  // namespace

absl::Status CheckSchemas(Connection& connection, const std::string& shown,
                          absl::Span<const Schema> schemas) {
  const auto behind = IsBehind(connection, shown, schemas);
  // The database does not know the table: its first program has not got that far.
  if (absl::IsInvalidArgument(behind.status())) {
    return absl::NotFoundError(absl::StrCat("nothing was stored yet at ", shown));
  }
  RETURN_IF_ERROR(behind.status());
  if (*behind) {
    return absl::FailedPreconditionError(
        absl::StrCat(shown, " was written by an older Regatta; `regatta serve` brings it forward"));
  }
  return absl::OkStatus();
}

absl::Status Migrate(Connection& connection, const std::string& shown,
                     absl::Span<const Schema> schemas) {
  for (const Schema& schema : schemas) RETURN_IF_ERROR(CheckSchema(schema));
  RETURN_IF_ERROR(InTransaction(connection, [&]() -> absl::Status {
    return connection.Run(
        "CREATE TABLE IF NOT EXISTS schema_versions ("
        "room TEXT NOT NULL, version BIGINT NOT NULL, name TEXT NOT NULL, "
        "applied_at BIGINT NOT NULL, PRIMARY KEY (room, version))",
        {}, nullptr, nullptr);
  }));
  ASSIGN_OR_RETURN(const bool behind, IsBehind(connection, shown, schemas));
  if (!behind) return absl::OkStatus();
  for (const Schema& schema : schemas) {
    RETURN_IF_ERROR(Annotate(
        InTransaction(connection, [&]() { return MigrateRoom(connection, schema); }), shown));
  }
  return absl::OkStatus();
}

}  // namespace regatta::store::internal

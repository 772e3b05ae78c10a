// SOCI includes sqlite3.h inside its namespace sqlite_api, so SQLite's functions are called there.
#include <fcntl.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "store/soci_connection.h"

namespace regatta::store::internal {
namespace {

std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

// SQLite says only "unable to open database file"; this says why where the file system knows.
absl::Status CheckPlace(const std::string& path) {
  const std::string folder = FolderOf(path);
  if (access(folder.c_str(), F_OK) != 0) {
    return ToAbsl(base::ErrnoStatus(errno, "cannot open " + path + " in folder " + folder));
  }
  // WAL needs two files beside the database, so a folder that cannot be written to is as bad as a
  // database that cannot.
  for (const std::string& place : {folder, path}) {
    if (faccessat(AT_FDCWD, place.c_str(), W_OK, AT_EACCESS) != 0 && errno != ENOENT) {
      return absl::PermissionDeniedError(
          absl::StrCat(path, " cannot be written: ", place,
                       errno == EROFS ? " is on a read-only file system" : " is not writable"));
    }
  }
  return absl::OkStatus();
}

class SqliteConnection : public SociConnection {
 public:
  SqliteConnection(std::unique_ptr<soci::session> session, std::string path)
      : SociConnection(std::move(session)), path_(std::move(path)) {}

  absl::Status Configure(Role role, std::chrono::milliseconds busy_timeout) {
    RETURN_IF_ERROR(RunSimple(absl::StrCat("PRAGMA busy_timeout = ", busy_timeout.count())));
    RETURN_IF_ERROR(RunSimple("PRAGMA foreign_keys = ON"));
    // FULL: the log is synced at each commit, so an acknowledged commit survives power loss.
    RETURN_IF_ERROR(RunSimple("PRAGMA synchronous = FULL"));
    if (role == Role::kReader) return RunSimple("PRAGMA query_only = ON");
    // Rows are found by random keys. With SQLite's 2 MB the writer reads most pages of a large
    // database anew; the memory is taken only as far as the database has pages.
    RETURN_IF_ERROR(RunSimple("PRAGMA cache_size = -65536"));
    // A page that changes often is copied into the database once a checkpoint: fewer are cheaper.
    RETURN_IF_ERROR(RunSimple("PRAGMA wal_autocheckpoint = 4000"));
    std::vector<Row> mode;
    RETURN_IF_ERROR(Run("PRAGMA journal_mode = WAL", {}, &mode, nullptr));
    if (mode.empty() || mode[0].Text(0) != "wal") {
      return absl::FailedPreconditionError(
          absl::StrCat(path_,
                       " cannot use a write-ahead log: its file system has no shared memory "
                       "maps (is it a network file system?); use a local disk"));
    }
    return absl::OkStatus();
  }

  // IMMEDIATE takes the write lock now: a later failure to upgrade cannot lose a transaction.
  absl::Status Begin() override { return RunSimple("BEGIN IMMEDIATE"); }
  absl::Status Commit() override { return RunSimple("COMMIT"); }
  absl::StatusOr<std::string> TransactionId() override { return std::string(); }
  absl::StatusOr<bool> WasCommitted(const std::string&) override { return false; }
  void Rollback() override {
    // SQLite itself rolls back on a full disk and some other errors.
    if (sqlite_api::sqlite3_get_autocommit(handle()) == 0) RunSimple("ROLLBACK").IgnoreError();
  }
  std::string ServerVersion() override {
    return absl::StrCat("SQLite ", sqlite_api::sqlite3_libversion());
  }

 protected:
  bool UsesNamedPlaceholders() const override { return false; }

  // SQLite's own binding and stepping: SOCI copies each value and describes each column anew for
  // every execution, and calls an expression text because it has no declared type.
  void Execute(soci::statement& statement, absl::Span<const Value> params, std::vector<Row>* rows,
               std::int64_t* count) override {
    auto* backend = static_cast<soci::sqlite3_statement_backend*>(statement.get_backend());
    sqlite_api::sqlite3_stmt* native = backend->stmt_;
    for (std::size_t i = 0; i < params.size(); ++i) {
      if (Bind(native, static_cast<int>(i) + 1, params[i]) != SQLITE_OK) Throw();
    }
    int result = sqlite_api::sqlite3_step(native);
    for (; result == SQLITE_ROW; result = sqlite_api::sqlite3_step(native)) {
      if (rows == nullptr) continue;
      std::vector<Value> values;
      const int columns = sqlite_api::sqlite3_data_count(native);
      values.reserve(static_cast<std::size_t>(columns));
      for (int i = 0; i < columns; ++i) values.push_back(Field(native, i));
      rows->emplace_back(std::move(values));
    }
    // After an error the caller asks the connection for it first, and then drops the statement.
    if (result != SQLITE_DONE) Throw();
    if (count != nullptr) *count = sqlite_api::sqlite3_changes(handle());
    // Ends the statement's hold on the database, and on values that will not live on.
    sqlite_api::sqlite3_reset(native);
    sqlite_api::sqlite3_clear_bindings(native);
  }

  absl::Status MapError(const soci::soci_error& error) override {
    const int code = sqlite_api::sqlite3_extended_errcode(handle());
    const std::string detail = absl::StrCat(path_, ": ", sqlite_api::sqlite3_errmsg(handle()));
    switch (code) {
      case SQLITE_CONSTRAINT_UNIQUE:
      case SQLITE_CONSTRAINT_PRIMARYKEY:
      case SQLITE_CONSTRAINT_ROWID:
        return absl::AlreadyExistsError(detail);
      case SQLITE_READONLY_DBMOVED:
        return absl::UnavailableError(
            absl::StrCat(path_, " was moved or deleted while in use: restart Regatta"));
      default:
        break;
    }
    switch (code & 0xff) {
      case SQLITE_FULL:
        return DiskFull();
      case SQLITE_IOERR:
        if (sqlite_api::sqlite3_system_errno(handle()) == ENOSPC || code == SQLITE_IOERR_SHMSIZE) {
          return DiskFull();
        }
        return absl::UnavailableError(absl::StrCat(detail, " (the disk failed)"));
      case SQLITE_READONLY:
      case SQLITE_PERM:
      case SQLITE_AUTH:
        return absl::PermissionDeniedError(
            absl::StrCat(path_, " cannot be written: ", sqlite_api::sqlite3_errmsg(handle())));
      case SQLITE_CANTOPEN:
        return absl::UnavailableError(detail);
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        return absl::UnavailableError(
            absl::StrCat(path_, " is busy: another process has been writing for too long"));
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB:
        return absl::DataLossError(absl::StrCat(detail, ": restore it from a backup"));
      case SQLITE_CONSTRAINT:
        return absl::FailedPreconditionError(detail);
      case SQLITE_ERROR:
      case SQLITE_RANGE:
      case SQLITE_MISMATCH:
      case SQLITE_TOOBIG:
        return absl::InvalidArgumentError(detail);
      case SQLITE_OK:  // SOCI's own complaint; its long text would show the values, this does not
        return absl::InternalError(absl::StrCat(path_, ": ", error.get_error_message()));
      default:
        return absl::InternalError(detail);
    }
  }

 private:
  // Parameter `index`, from 1. Text is not copied: it has to live until the statement is reset.
  static int Bind(sqlite_api::sqlite3_stmt* statement, int index, const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      return sqlite_api::sqlite3_bind_text64(statement, index, text->data(), text->size(),
                                             SQLITE_STATIC, SQLITE_UTF8);
    }
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      return sqlite_api::sqlite3_bind_int64(statement, index, *integer);
    }
    if (const auto* real = std::get_if<double>(&value)) {
      return sqlite_api::sqlite3_bind_double(statement, index, *real);
    }
    return sqlite_api::sqlite3_bind_null(statement, index);
  }

  static Value Field(sqlite_api::sqlite3_stmt* statement, int column) {
    switch (sqlite_api::sqlite3_column_type(statement, column)) {
      case SQLITE_NULL:
        return kNull;
      case SQLITE_INTEGER:
        return static_cast<std::int64_t>(sqlite_api::sqlite3_column_int64(statement, column));
      case SQLITE_FLOAT:
        return sqlite_api::sqlite3_column_double(statement, column);
      default: {
        const auto* text =
            static_cast<const char*>(sqlite_api::sqlite3_column_blob(statement, column));
        const int bytes = sqlite_api::sqlite3_column_bytes(statement, column);
        return text == nullptr ? std::string() : std::string(text, static_cast<std::size_t>(bytes));
      }
    }
  }

  [[noreturn]] void Throw() { throw soci::soci_error(sqlite_api::sqlite3_errmsg(handle())); }

  absl::Status DiskFull() const {
    return absl::ResourceExhaustedError(
        absl::StrCat("no space left on the disk of ", path_, ": free some, then try again"));
  }
  sqlite_api::sqlite3* handle() {
    auto* backend = static_cast<soci::sqlite3_session_backend*>(session().get_backend());
    return backend->conn_;
  }

  std::string path_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> OpenSqlite(const Url& url, Role role,
                                                       std::chrono::milliseconds busy_timeout) {
  RETURN_IF_ERROR(CheckPlace(url.path));
  std::unique_ptr<soci::session> session;
  try {
    session = std::make_unique<soci::session>(*soci::factory_sqlite3(),
                                              absl::StrCat("db=\"", url.path, "\""));
  } catch (const soci::soci_error& error) {
    return absl::UnavailableError(
        absl::StrCat("cannot open ", url.path, ": ", error.get_error_message()));
  }
  auto connection = std::make_unique<SqliteConnection>(std::move(session), url.path);
  RETURN_IF_ERROR(connection->Configure(role, busy_timeout));
  return connection;
}

}  // namespace regatta::store::internal

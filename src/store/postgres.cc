#include <soci/postgresql/soci-postgresql.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/fault.h"
#include "store/soci_connection.h"

namespace regatta::store::internal {
namespace {

// The one writer over all processes: a database-wide advisory lock held until the transaction ends.
// The number is "regatta" in ASCII; it must never change, or two versions could write at once.
constexpr std::int64_t kWriterLock = 0x72656761747461;

// libpq's messages have several lines; ours have one.
std::string OneLine(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

absl::Status ConnectError(const Url& url, const std::string& message) {
  const std::string text =
      absl::StrCat("cannot reach PostgreSQL at ", url.shown, ": ", OneLine(message));
  if (absl::StrContains(text, "authentication failed")) return absl::UnauthenticatedError(text);
  if (absl::StrContains(text, "database \"") && absl::StrContains(text, "does not exist")) {
    return absl::NotFoundError(text + " (create it with createdb)");
  }
  return absl::UnavailableError(text);
}

class PostgresConnection : public SociConnection {
 public:
  PostgresConnection(std::unique_ptr<soci::session> session, std::string shown)
      : SociConnection(std::move(session)), shown_(std::move(shown)) {}

  absl::Status Configure(Role role, std::chrono::milliseconds busy_timeout) {
    return RunSimple(
        absl::StrCat("SET client_min_messages = warning; SET client_encoding = 'UTF8';"
                     "SET synchronous_commit = on; SET lock_timeout = ",
                     std::max<std::int64_t>(1, busy_timeout.count()),
                     role == Role::kReader ? "; SET default_transaction_read_only = on" : ""));
  }

  absl::Status Begin() override {
    absl::Status status =
        RunSimple(absl::StrCat("BEGIN; SELECT pg_advisory_xact_lock(", kWriterLock, ")"));
    if (!status.ok() && !lost_) Rollback();
    return status;
  }
  absl::Status Commit() override {
    RETURN_IF_ERROR(RunSimple("COMMIT"));
    if (!REGATTA_FAULT_ERROR("store.commit.answer_lost")) return absl::OkStatus();
    lost_ = true;
    return absl::UnavailableError("lost the connection when the transaction was committed");
  }
  absl::StatusOr<std::string> TransactionId() override {
    std::vector<Row> rows;
    RETURN_IF_ERROR(Run("SELECT CAST(pg_current_xact_id() AS TEXT)", {}, &rows, nullptr));
    return rows[0].Text(0);
  }
  absl::StatusOr<bool> WasCommitted(const std::string& transaction_id) override {
    std::vector<Row> rows;
    RETURN_IF_ERROR(Run("SELECT pg_xact_status(CAST(CAST(? AS TEXT) AS xid8))", {transaction_id},
                        &rows, nullptr));
    return rows[0].Text(0) == "committed";
  }
  void Rollback() override {
    if (!lost_) RunSimple("ROLLBACK").IgnoreError();
  }
  std::string ServerVersion() override {
    const int number = PQserverVersion(handle());
    return absl::StrCat("PostgreSQL ", number / 10000, ".", number % 10000);
  }

 protected:
  bool UsesNamedPlaceholders() const override { return true; }

  absl::Status MapError(const soci::soci_error& error) override {
    const auto* native = dynamic_cast<const soci::postgresql_soci_error*>(&error);
    const std::string state = native == nullptr ? "" : native->sqlstate();
    const std::string text =
        absl::StrCat("PostgreSQL at ", shown_, ": ", OneLine(error.get_error_message()));
    const std::string group = state.substr(0, 2);
    if (PQstatus(handle()) != CONNECTION_OK || group == "08" || absl::StartsWith(state, "57P")) {
      lost_ = true;
      return absl::UnavailableError(absl::StrCat("lost the connection to ", text));
    }
    if (state == "23505") return absl::AlreadyExistsError(text);
    if (group == "23") return absl::FailedPreconditionError(text);
    if (state == "55P03") {
      return absl::UnavailableError(absl::StrCat(
          "PostgreSQL at ", shown_, " is busy: another process has been writing for too long"));
    }
    if (state == "40001" || state == "40P01") return absl::AbortedError(text);
    if (state == "25006" || state == "42501") return absl::PermissionDeniedError(text);
    if (state == "53300") return absl::UnavailableError(text);
    if (group == "53") return absl::ResourceExhaustedError(text);
    if (group == "22" || group == "42") return absl::InvalidArgumentError(text);
    if (group == "58" || group == "XX") return absl::DataLossError(text);
    return absl::InternalError(text);
  }

 private:
  PGconn* handle() {
    return static_cast<soci::postgresql_session_backend*>(session().get_backend())->conn_;
  }

  std::string shown_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> OpenPostgres(const Url& url, Role role,
                                                         std::chrono::milliseconds busy_timeout) {
  std::unique_ptr<soci::session> session;
  try {
    session = std::make_unique<soci::session>(*soci::factory_postgresql(), url.full);
  } catch (const soci::soci_error& error) {
    return ConnectError(url, error.get_error_message());
  }
  auto connection = std::make_unique<PostgresConnection>(std::move(session), url.shown);
  RETURN_IF_ERROR(connection->Configure(role, busy_timeout));
  return connection;
}

}  // namespace regatta::store::internal

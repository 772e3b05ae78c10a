#include "store/soci_connection.h"

#include <deque>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "store/placeholders.h"

namespace regatta::store::internal {
namespace {

// The program's own SQL texts number some hundreds; beyond this the cache starts anew rather than
// grow with texts that somebody builds by hand.
constexpr std::size_t kMaxPrepared = 512;

Value Field(const soci::row& row, std::size_t column) {
  if (row.get_indicator(column) == soci::i_null) return kNull;
  switch (row.get_properties(column).get_data_type()) {
    case soci::dt_integer:
      return static_cast<std::int64_t>(row.get<int>(column));
    case soci::dt_long_long:
      return static_cast<std::int64_t>(row.get<long long>(column));
    case soci::dt_unsigned_long_long:
      return static_cast<std::int64_t>(row.get<unsigned long long>(column));
    case soci::dt_double:
      return row.get<double>(column);
    default:
      return row.get<std::string>(column);
  }
}

}  // namespace

absl::Status SociConnection::Run(std::string_view sql, absl::Span<const Value> params,
                                 std::vector<Row>* rows, std::int64_t* count) {
  ASSIGN_OR_RETURN(Prepared * prepared, Prepare(sql));
  if (static_cast<std::size_t>(prepared->placeholders) != params.size()) {
    return absl::InvalidArgumentError(absl::StrCat("SQL with ", prepared->placeholders,
                                                   " placeholders was given ", params.size(),
                                                   " values: ", std::string(sql)));
  }
  try {
    Execute(*prepared->statement, params, rows, count);
    return absl::OkStatus();
  } catch (const soci::soci_error& error) {
    const absl::Status status = MapError(error);
    // Its bindings are in an unknown state.
    statements_.erase(std::string(sql));
    return status;
  } catch (const std::exception& error) {
    statements_.erase(std::string(sql));
    return absl::InternalError(error.what());
  }
}

absl::Status SociConnection::RunSimple(const std::string& sql) {
  try {
    *session_ << sql;
    return absl::OkStatus();
  } catch (const soci::soci_error& error) {
    return MapError(error);
  }
}

absl::StatusOr<SociConnection::Prepared*> SociConnection::Prepare(std::string_view sql) {
  std::string key(sql);
  if (auto found = statements_.find(key); found != statements_.end()) return &found->second;
  if (statements_.size() >= kMaxPrepared) statements_.clear();
  const Placeholders placeholders = FindPlaceholders(sql);
  Prepared prepared{placeholders.count, std::make_unique<soci::statement>(*session_)};
  try {
    prepared.statement->alloc();
    prepared.statement->prepare(UsesNamedPlaceholders() ? placeholders.named : key);
  } catch (const soci::soci_error& error) {
    return MapError(error);
  }
  return &statements_.emplace(std::move(key), std::move(prepared)).first->second;
}

void SociConnection::Execute(soci::statement& statement, absl::Span<const Value> params,
                             std::vector<Row>* rows, std::int64_t* count) {
  // SOCI keeps references: what it refers to must live, unmoved, until bind_clean_up().
  static const std::string kNoText;
  soci::indicator is_null = soci::i_null;
  std::deque<long long> integers;
  for (const Value& value : params) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      statement.exchange(soci::use(*text));
    } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      const long long& kept = integers.emplace_back(*integer);
      statement.exchange(soci::use(kept));
    } else if (const auto* real = std::get_if<double>(&value)) {
      statement.exchange(soci::use(*real));
    } else {
      statement.exchange(soci::use(kNoText, is_null));
    }
  }
  if (rows == nullptr) {
    statement.define_and_bind();
    statement.execute(true);
    if (count != nullptr) *count = statement.get_affected_rows();
    statement.bind_clean_up();
    return;
  }
  soci::row row;
  statement.exchange(soci::into(row));
  statement.define_and_bind();
  statement.execute(false);
  while (statement.fetch()) {
    std::vector<Value> values;
    values.reserve(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) values.push_back(Field(row, i));
    rows->emplace_back(std::move(values));
  }
  statement.bind_clean_up();
}

absl::StatusOr<std::unique_ptr<Connection>> OpenConnection(const Url& url, Role role,
                                                           std::chrono::milliseconds busy_timeout) {
  if (url.kind == Url::Kind::kSqlite) return OpenSqlite(url, role, busy_timeout);
  return OpenPostgres(url, role, busy_timeout);
}

}  // namespace regatta::store::internal

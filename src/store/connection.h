#pragma once

// One database connection behind a plain face, so that SOCI's headers stay in three .cc files.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "store/url.h"
#include "store/value.h"

namespace regatta::store::internal {

enum class Role { kWriter, kReader };

// Used by one thread at a time. Keeps prepared statements by their SQL text.
class Connection {
 public:
  virtual ~Connection() = default;

  // Runs one statement. Rows are appended to `rows` when it is given; `count` gets the rows
  // touched.
  virtual absl::Status Run(std::string_view sql, absl::Span<const Value> params,
                           std::vector<Row>* rows, std::int64_t* count) = 0;
  // Waits for other writers up to the busy time-out.
  virtual absl::Status Begin() = 0;
  virtual absl::Status Commit() = 0;
  // Names the open transaction for WasCommitted; "" where a commit's answer cannot be lost.
  virtual absl::StatusOr<std::string> TransactionId() = 0;
  // Whether that transaction, of this or an earlier connection, was committed. Inside a transaction
  // of this connection, so that the other one is over.
  virtual absl::StatusOr<bool> WasCommitted(const std::string& transaction_id) = 0;
  virtual void Rollback() = 0;
  // True once the server is gone: only a new connection helps.
  virtual bool lost() const = 0;
  virtual std::string ServerVersion() = 0;
};

absl::StatusOr<std::unique_ptr<Connection>> OpenSqlite(const Url& url, Role role,
                                                       std::chrono::milliseconds busy_timeout);
absl::StatusOr<std::unique_ptr<Connection>> OpenPostgres(const Url& url, Role role,
                                                         std::chrono::milliseconds busy_timeout);
absl::StatusOr<std::unique_ptr<Connection>> OpenConnection(const Url& url, Role role,
                                                           std::chrono::milliseconds busy_timeout);

}  // namespace regatta::store::internal

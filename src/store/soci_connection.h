#pragma once

// What both databases share: the cache of prepared statements and the passage of values through
// SOCI. Heavy (SOCI): included by soci_connection.cc, sqlite.cc and postgres.cc only.

#include <soci/soci.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "store/connection.h"

namespace regatta::store::internal {

class SociConnection : public Connection {
 public:
  absl::Status Run(std::string_view sql, absl::Span<const Value> params, std::vector<Row>* rows,
                   std::int64_t* count) override;
  bool lost() const override { return lost_; }

 protected:
  explicit SociConnection(std::unique_ptr<soci::session> session) : session_(std::move(session)) {}

  // The Status for an exception of SOCI's, thrown while doing `what` ("" inside Run).
  virtual absl::Status MapError(const soci::soci_error& error) = 0;
  virtual bool UsesNamedPlaceholders() const = 0;
  // Runs a prepared statement once; throws soci::soci_error. `rows` and `count` may be null.
  virtual void Execute(soci::statement& statement, absl::Span<const Value> params,
                       std::vector<Row>* rows, std::int64_t* count);

  // One statement without parameters or rows, uncached.
  absl::Status RunSimple(const std::string& sql);

  soci::session& session() { return *session_; }
  bool lost_ = false;

 private:
  struct Prepared {
    int placeholders = 0;
    std::unique_ptr<soci::statement> statement;
  };

  absl::StatusOr<Prepared*> Prepare(std::string_view sql);

  std::unique_ptr<soci::session> session_;
  std::unordered_map<std::string, Prepared> statements_;
};

}  // namespace regatta::store::internal

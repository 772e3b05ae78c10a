#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "store/connection.h"
#include "store/schema.h"

namespace regatta::store::internal {

// Brings every schema forward, in one transaction a room, after checking that none was written by a
// newer program. Safe when several processes do it at once: each transaction is the one writer and
// reads the versions again inside. `shown` names the database in messages.
absl::Status Migrate(Connection& connection, const std::string& shown,
                     absl::Span<const Schema> schemas);

// For who only reads. kNotFound when no program has migrated this database yet; kFailedPrecondition
// when a schema is newer or older than the given one.
absl::Status CheckSchemas(Connection& connection, const std::string& shown,
                          absl::Span<const Schema> schemas);

}  // namespace regatta::store::internal

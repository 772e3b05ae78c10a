#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace regatta::store::internal {

struct Url {
  enum class Kind { kSqlite, kPostgres } kind = Kind::kSqlite;
  std::string path;   // SQLite: absolute path of the file
  std::string full;   // PostgreSQL: the whole URL, for libpq only (may hold a password)
  std::string shown;  // for messages: the path, or host:port/database without user or password
};

// kInvalidArgument with what a right URL looks like.
absl::StatusOr<Url> ParseUrl(const std::string& text);

}  // namespace regatta::store::internal

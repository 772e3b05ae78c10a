#pragma once

// A real PostgreSQL server for tests, in a temporary folder, reached over a Unix socket there.

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace regatta::store::testing {

class PostgresServer {
 public:
  // Makes a cluster with Debian's binaries and starts it. As root it runs as user `postgres`,
  // because PostgreSQL refuses root. kNotFound names the package when the server is not installed.
  static absl::StatusOr<std::unique_ptr<PostgresServer>> Create();
  // Stops the server and removes its folder. The server also ends when this process dies.
  ~PostgresServer();

  // Creates an empty database and returns its URL for StoreOptions.
  absl::StatusOr<std::string> NewDatabase();

  // Start returns when connections are accepted. Stop ends all connections at once.
  absl::Status Start();
  absl::Status Stop();

 private:
  PostgresServer() = default;
  absl::Status RunTool(const std::string& tool, std::vector<std::string> args);

  std::string folder_;
  std::string bin_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  pid_t pid_ = -1;
  int databases_ = 0;
};

}  // namespace regatta::store::testing

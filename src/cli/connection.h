#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "base/config.h"
#include "cli/api_client.h"
#include "cli/owner_process.h"

namespace regatta::cli {

// A way to the API of the state directory in force: the running owner's, or, when there is none,
// our own for as long as this object lives.
struct Connection {
  std::unique_ptr<OwnerProcess> own;  // null when somebody else owns the directory
  std::unique_ptr<ApiClient> api;     // destroyed first
};

struct ConnectOptions {
  bool may_own = true;  // else kUnavailable when nobody owns the directory
  int port = 0;         // of our own server
};
absl::StatusOr<Connection> Connect(const base::Config& settings, const ConnectOptions& options);

}  // namespace regatta::cli

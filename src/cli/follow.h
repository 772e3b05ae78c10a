#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "cli/api_client.h"
#include "cli/run_model.h"
#include "cli/run_view.h"

namespace regatta::cli {

struct FollowResult {
  RunModel model;
  bool interrupted = false;  // Ctrl-C was pressed
};

// A way to the run again after its server went away; kUnavailable when there is none.
using Reconnect = std::function<absl::StatusOr<ApiClient*>()>;

// Shows a run until it is final. Ctrl-C once: asks the server to stop it politely; twice: at once.
// When the server goes away `reconnect` is asked, if given. kUnavailable when that was in vain; the
// message says how to go on.
absl::StatusOr<FollowResult> FollowRun(ApiClient& api, const std::string& run_id, RunView& view,
                                       const Reconnect& reconnect = nullptr);

}  // namespace regatta::cli

#pragma once

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

// Shows a run until it is final. Ctrl-C once: asks the server to stop it politely; twice: at once.
// kUnavailable when the server goes away for good; the message says how to go on.
absl::StatusOr<FollowResult> FollowRun(ApiClient& api, const std::string& run_id, RunView& view);

}  // namespace regatta::cli

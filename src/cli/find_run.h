#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cli/api_client.h"

namespace regatta::cli {

// The id of the run that a person means by `given`: "last", a whole id, the beginning of one, or a
// name, among the newest 1,000. kNotFound; kInvalidArgument when it could be several.
absl::StatusOr<std::string> FindRun(ApiClient& api, const std::string& given);

}  // namespace regatta::cli

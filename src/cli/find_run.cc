#include "cli/find_run.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/ulid.h"

namespace regatta::cli {

absl::StatusOr<std::string> FindRun(ApiClient& api, const std::string& given) {
  if (base::IsUlid(given)) return given;
  ASSIGN_OR_RETURN(const base::Json page, api.Get("/api/v1/runs?limit=1000"));
  std::vector<std::string> matches;
  for (const base::Json& run : page["items"]) {
    std::string id = run.value("id", "");
    if (given == "last") return id;
    if (id.starts_with(given) || run.value("name", "") == given) matches.push_back(id);
  }
  if (given == "last") return absl::NotFoundError("nothing has been run yet");
  if (matches.size() == 1) return matches[0];
  if (matches.empty()) {
    return absl::NotFoundError(
        absl::StrCat("there is no run \"", given, "\"; `regatta runs` lists them"));
  }
  return absl::InvalidArgumentError(absl::StrCat("\"", given, "\" could be ", matches.size(),
                                                 " runs: give more of the id, or `last`"));
}

}  // namespace regatta::cli

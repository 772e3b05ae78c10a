#include "base/absl_status.h"
#include "server/api/api.h"

namespace regatta::server {

Response JsonAnswer(const base::Json& json, int status) {
  return net::JsonResponse(status, base::DumpJson(json));
}

Response DeletedAnswer(const std::string& id) {
  return JsonAnswer({{"id", id}, {"state", "deleted"}});
}

Response ErrorAnswer(const absl::Status& status, const std::vector<flow::Problem>& problems) {
  const base::CodeSurface& surface = SurfaceOf(status);
  base::Json error = {{"code", surface.slug}, {"message", std::string(status.message())}};
  if (!problems.empty()) {
    base::Json& list = error["problems"] = base::Json::array();
    for (const flow::Problem& problem : problems) {
      list.push_back({{"file", problem.place.file},
                      {"line", std::max(1, problem.place.line)},
                      {"column", std::max(1, problem.place.column)},
                      {"path", problem.path},
                      {"message", problem.message}});
    }
  }
  return JsonAnswer({{"error", std::move(error)}}, surface.http);
}

}  // namespace regatta::server

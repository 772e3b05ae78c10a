#include "base/metrics.h"
#include "base/version.h"
#include "server/api/api.h"

namespace regatta::server {

absl::StatusOr<Response> GetHealth(Context&, const Call&) { return net::TextResponse(200, "ok\n"); }

// The server accepts connections only once the store is open and the engine has recovered, so to be
// reached is to be ready.
absl::StatusOr<Response> GetReadiness(Context&, const Call&) {
  return net::TextResponse(200, "ready\n");
}

absl::StatusOr<Response> GetMetrics(Context&, const Call&) {
  Response response;
  response.headers.emplace_back("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  response.body = base::RenderMetrics();
  return response;
}

absl::StatusOr<Response> GetVersion(Context&, const Call&) {
  return JsonAnswer({{"version", base::Version()}, {"api", "v1"}});
}

}  // namespace regatta::server

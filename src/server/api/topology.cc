#include <chrono>
#include <mutex>

#include "base/absl_status.h"
#include "server/api/api.h"
#include "topology/detect.h"
#include "topology/svg.h"

namespace regatta::server {
namespace {

// Asking a GPU's driver can take a second, and what is asked changes seldom.
constexpr std::chrono::seconds kFresh(60);

absl::StatusOr<topology::Topology> Machine() {
  static std::mutex mutex;
  static topology::Topology known;
  static std::chrono::steady_clock::time_point until;
  const std::lock_guard lock(mutex);
  const auto now = std::chrono::steady_clock::now();
  if (now >= until) {
    auto detected = topology::Detect();
    if (!detected.ok()) return ToAbsl(detected.status());
    known = *std::move(detected);
    until = now + kFresh;
  }
  return known;
}

}  // namespace

absl::StatusOr<Response> GetTopology(Context&, const Call&) {
  const absl::StatusOr<topology::Topology> machine = Machine();
  if (!machine.ok()) return machine.status();
  return JsonAnswer(topology::ToJson(*machine));
}

absl::StatusOr<Response> GetTopologyPicture(Context&, const Call&) {
  const absl::StatusOr<topology::Topology> machine = Machine();
  if (!machine.ok()) return machine.status();
  Response response;
  response.headers.emplace_back("Content-Type", "image/svg+xml");
  response.body = topology::RenderSvg(*machine);
  return response;
}

}  // namespace regatta::server

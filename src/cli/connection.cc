#include "cli/connection.h"

#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "server/owner.h"

namespace regatta::cli {
namespace {

// An owner can end between our look and our start, and another can come; each time the directory is
// free we try to own it, so a handful of rounds means something else is wrong.
constexpr int kMostRounds = 5;
constexpr std::chrono::milliseconds kPause{10};

}  // namespace

absl::StatusOr<Connection> ConnectToLook(const base::Config& settings) {
  Connection connection;
  ASSIGN_OR_RETURN(connection.look, Looker::Open(settings));
  connection.api = std::make_unique<ApiClient>(connection.look->url(), connection.look->token());
  return connection;
}

absl::StatusOr<Connection> Connect(const base::Config& settings, const ConnectOptions& options) {
  const std::string home = HomeOf(settings);
  absl::Status last;
  for (int round = 0; round < kMostRounds; ++round) {
    Connection connection;
    ASSIGN_OR_RETURN(const auto endpoint, server::FindOwner(home));
    if (endpoint) {
      ASSIGN_OR_RETURN(const std::string token, server::ReadToken(home));
      connection.api = std::make_unique<ApiClient>(endpoint->address, token);
      connection.passing = endpoint->passing;
      const auto version = connection.api->Get("/api/v1/version");
      if (version.ok()) return connection;
      last = Annotate(version.status(), absl::StrCat("the regatta that owns ", home, " (pid ",
                                                     endpoint->pid, ") does not answer"));
      if (!absl::IsUnavailable(last)) return last;
      // Of a killed owner the lock can live on for a moment: in a child between fork and exec.
      std::this_thread::sleep_for(kPause * (1 << round));
      continue;
    }
    if (options.when_unowned == WhenUnowned::kLook) return ConnectToLook(settings);
    if (options.when_unowned == WhenUnowned::kFail) {
      return absl::UnavailableError(
          absl::StrCat("no regatta serves ", home, "; start one with `regatta serve`"));
    }
    auto own = OwnerProcess::Start(
        {.home = home, .port = options.port, .passing = true, .take_up = options.take_up},
        settings);
    if (own.ok()) {
      connection.own = *std::move(own);
      connection.api = std::make_unique<ApiClient>(connection.own->url(), connection.own->token());
      return connection;
    }
    last = own.status();
    // Somebody was quicker: become a client after all. A busy port has the same code, but then
    // nobody owns the directory and trying again would change nothing.
    if (!absl::IsAlreadyExists(last)) return last;
    ASSIGN_OR_RETURN(const auto now, server::FindOwner(home));
    if (!now) return last;
  }
  return last;
}

}  // namespace regatta::cli

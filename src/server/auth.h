#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "server/api/api.h"
#include "store/schema.h"
#include "store/store.h"

namespace regatta::server {

// The tables of this room: browsers' sessions and idempotency keys.
store::Schema ServerSchema();

// Who may talk to the server. The command line shows the bearer token of the state directory. A
// browser exchanges a one-time code, which it gets in the fragment of an address and so never
// appears in a request line or a log, for a cookie. Sessions live in the store, by the SHA-256 of
// their secret, so that a restart keeps browsers logged in and the store holds nothing to log in
// with. Thread-safe.
class Auth {
 public:
  static constexpr base::Micros kCodeLifetime = 10LL * 60 * 1'000'000;
  static constexpr base::Micros kSessionLifetime = 30LL * 24 * 3600 * 1'000'000;

  // `store` must outlive this. `token` is the state directory's.
  Auth(store::Store* store, std::string token, std::string user, std::string project);

  struct LoginCode {
    std::string code;
    base::Micros expires_at = 0;
  };
  // Valid once, for ten minutes, in this process.
  LoginCode MakeLoginCode();

  struct NewSession {
    std::string secret;  // the cookie's value
    Principal principal;
  };
  // kUnauthenticated when the code is unknown, used or expired.
  absl::StatusOr<NewSession> RedeemLoginCode(const std::string& code);

  // "regatta_session_" and eight digits of the state directory's own. Browsers share cookies over
  // the ports of a host, so two servers on one machine need two names. Stays over restarts.
  const std::string& cookie_name() const { return cookie_name_; }

  absl::Status EndSession(const std::string& session_digest);

  // By the Authorization header, else by the cookie. kUnauthenticated says how to log in.
  absl::StatusOr<Principal> Authenticate(const net::Request& request);

 private:
  store::Store* store_;
  const std::string token_;
  const std::string cookie_name_;
  const std::string user_;
  const std::string project_;
  std::mutex mutex_;
  std::map<std::string, base::Micros> codes_;  // digest of a code -> when it expires
};

}  // namespace regatta::server

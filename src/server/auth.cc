#include "server/auth.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/log.h"
#include "base/random.h"
#include "base/sha256.h"

namespace regatta::server {
namespace {

constexpr std::size_t kMostCodes = 64;
constexpr int kInstanceDigits = 8;

// From the token, which each state directory has for ever; a digest's beginning tells nothing of
// it.
std::string CookieName(const std::string& token) {
  return absl::StrCat("regatta_session_",
                      base::Sha256Hex("cookie\n" + token).substr(0, kInstanceDigits));
}

}  // namespace

store::Schema ServerSchema() {
  return {.room = "server",
          .migrations = {{.version = 1,
                          .name = "sessions and idempotency keys",
                          .statements = {
                              "CREATE TABLE server_sessions ("
                              " digest TEXT NOT NULL PRIMARY KEY,"
                              " project TEXT NOT NULL,"
                              " created_by TEXT NOT NULL,"
                              " created_at BIGINT NOT NULL,"
                              " expires_at BIGINT NOT NULL)",
                              "CREATE TABLE server_idempotency_keys ("
                              " project TEXT NOT NULL,"
                              " idempotency_key TEXT NOT NULL,"
                              " request_digest TEXT NOT NULL,"
                              " creation_id TEXT NOT NULL,"
                              " created_by TEXT NOT NULL,"
                              " status BIGINT NOT NULL,"
                              " body TEXT NOT NULL,"
                              " created_at BIGINT NOT NULL,"
                              " PRIMARY KEY (project, idempotency_key))",
                          }}}};
}

Auth::Auth(store::Store* store, std::string token, std::string user, std::string project)
    : store_(store),
      token_(std::move(token)),
      cookie_name_(CookieName(token_)),
      user_(std::move(user)),
      project_(std::move(project)) {}

Auth::LoginCode Auth::MakeLoginCode() {
  LoginCode code{.code = base::RandomHex(20), .expires_at = base::NowMicros() + kCodeLifetime};
  const std::lock_guard lock(mutex_);
  std::erase_if(codes_,
                [now = base::NowMicros()](const auto& entry) { return entry.second < now; });
  if (codes_.size() >= kMostCodes) {
    codes_.erase(std::min_element(codes_.begin(), codes_.end(), [](const auto& a, const auto& b) {
      return a.second < b.second;
    }));
  }
  codes_[base::Sha256Hex(code.code)] = code.expires_at;
  return code;
}

absl::StatusOr<Auth::NewSession> Auth::RedeemLoginCode(const std::string& code) {
  const base::Micros now = base::NowMicros();
  {
    const std::lock_guard lock(mutex_);
    const auto it = codes_.find(base::Sha256Hex(code));
    const bool valid = it != codes_.end() && it->second >= now;
    if (it != codes_.end()) codes_.erase(it);
    if (!valid) {
      return absl::UnauthenticatedError(
          "this login code is unknown, was used already or is older than ten minutes; "
          "run `regatta console` for a new address");
    }
  }
  NewSession session;
  session.secret = base::RandomHex(32);
  base::HideInLogs(session.secret);
  session.principal = {.via = Principal::Via::kSession,
                       .user = user_,
                       .project = project_,
                       .session_digest = base::Sha256Hex(session.secret)};
  ASSIGN_OR_RETURN(store::Transaction transaction, store_->Begin());
  RETURN_IF_ERROR(transaction.Execute("DELETE FROM server_sessions WHERE expires_at < ?", {now}));
  RETURN_IF_ERROR(transaction.Execute(
      "INSERT INTO server_sessions (digest, project, created_by, created_at, expires_at) "
      "VALUES (?, ?, ?, ?, ?)",
      {session.principal.session_digest, project_, user_, now, now + kSessionLifetime}));
  RETURN_IF_ERROR(transaction.Commit());
  return session;
}

absl::Status Auth::EndSession(const std::string& session_digest) {
  ASSIGN_OR_RETURN(store::Transaction transaction, store_->Begin());
  RETURN_IF_ERROR(
      transaction.Execute("DELETE FROM server_sessions WHERE digest = ?", {session_digest}));
  return transaction.Commit();
}

absl::StatusOr<Principal> Auth::Authenticate(const net::Request& request) {
  const std::string& authorization = request.Header("authorization");
  if (!authorization.empty()) {
    absl::string_view token = authorization;
    if (absl::StartsWithIgnoreCase(token, "bearer ") &&
        base::ConstantTimeEquals(std::string(token.substr(7)), token_)) {
      return Principal{.via = Principal::Via::kBearer, .user = user_, .project = project_};
    }
    return absl::UnauthenticatedError(
        "the bearer token is not the one in the file `token` of the state directory");
  }
  const std::string secret = request.Cookie(cookie_name_);
  if (!secret.empty()) {
    const std::string digest = base::Sha256Hex(secret);
    ASSIGN_OR_RETURN(const auto rows,
                     store_->Read("SELECT created_by, project FROM server_sessions "
                                  "WHERE digest = ? AND expires_at >= ?",
                                  {digest, base::NowMicros()}));
    if (!rows.empty()) {
      return Principal{.via = Principal::Via::kSession,
                       .user = rows[0].Text(0),
                       .project = rows[0].Text(1),
                       .session_digest = digest};
    }
  }
  return absl::UnauthenticatedError("not logged in; run `regatta console` for a login address");
}

}  // namespace regatta::server

#include "server/idempotency.h"

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/fault.h"
#include "base/sha256.h"
#include "base/ulid.h"

namespace regatta::server {
namespace {

constexpr base::Micros kKept = 24LL * 3600 * 1'000'000;
constexpr std::size_t kLongestKey = 128;

std::string DigestOf(const net::Request& request) {
  // What stands in the query is part of what is asked for.
  const std::size_t query = request.target.find('?');
  return base::Sha256Hex(absl::StrCat(
      request.method, "\n", request.path,
      query == std::string::npos ? "" : request.target.substr(query), "\n", request.body));
}

}  // namespace

absl::StatusOr<Response> Idempotency::Handle(Context& context, Call& call, Handler handler) {
  if (call.http.headers.find("idempotency-key") == call.http.headers.end()) {
    call.creation_id = base::NewUlid();
    return handler(context, call);
  }
  const std::string key = call.http.Header("idempotency-key");
  if (key.empty() || key.size() > kLongestKey) {
    return absl::InvalidArgumentError(
        absl::StrCat("Idempotency-Key must have 1 to ", kLongestKey, " characters"));
  }
  const std::string digest = DigestOf(call.http);
  const std::string& project = call.principal.project;
  const base::Micros now = base::NowMicros();

  ASSIGN_OR_RETURN(store::Transaction transaction, store_->Begin());
  RETURN_IF_ERROR(transaction.Execute("DELETE FROM server_idempotency_keys WHERE created_at < ?",
                                      {now - kKept}));
  ASSIGN_OR_RETURN(
      const auto rows,
      transaction.Query("SELECT request_digest, creation_id, status, body "
                        "FROM server_idempotency_keys WHERE project = ? AND idempotency_key = ?",
                        {project, key}));
  if (!rows.empty()) {
    transaction.Rollback();
    if (rows[0].Text(0) != digest) {
      return absl::AlreadyExistsError(
          absl::StrCat("Idempotency-Key \"", key,
                       "\" was used for another request; use a new key for a new request"));
    }
    if (rows[0].Int(2) != 0) {
      // The contract: a repeated request is answered like the first, but nothing was created now.
      return net::JsonResponse(200, rows[0].Text(3));
    }
    call.creation_id = rows[0].Text(1);
    call.repeated = true;
  } else {
    call.creation_id = base::NewUlid();
    RETURN_IF_ERROR(transaction.Execute(
        "INSERT INTO server_idempotency_keys (project, idempotency_key, request_digest, "
        "creation_id, created_by, status, body, created_at) VALUES (?, ?, ?, ?, ?, 0, '', ?)",
        {project, key, digest, call.creation_id, call.principal.user, now}));
    RETURN_IF_ERROR(transaction.Commit());
  }
  return First(context, call, handler, key);
}

absl::StatusOr<Response> Idempotency::First(Context& context, Call& call, Handler handler,
                                            const std::string& key) {
  REGATTA_FAULT("server.idempotency.before_handler");
  auto response = handler(context, call);
  REGATTA_FAULT("server.idempotency.before_answer");
  ASSIGN_OR_RETURN(store::Transaction transaction, store_->Begin());
  if (response.ok() && response->status < 300) {
    RETURN_IF_ERROR(transaction.Execute(
        "UPDATE server_idempotency_keys SET status = ?, body = ? "
        "WHERE project = ? AND idempotency_key = ?",
        {std::int64_t{response->status}, response->body, call.principal.project, key}));
  } else {
    RETURN_IF_ERROR(
        transaction.Execute("DELETE FROM server_idempotency_keys "
                            "WHERE project = ? AND idempotency_key = ? AND status = 0",
                            {call.principal.project, key}));
  }
  RETURN_IF_ERROR(transaction.Commit());
  return response;
}

}  // namespace regatta::server

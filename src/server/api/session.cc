#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "server/api/api.h"
#include "server/api/input.h"
#include "server/auth.h"

namespace regatta::server {
namespace {

base::Json ToJson(const Principal& principal) {
  return {{"user", principal.user}, {"project", principal.project}};
}

std::string Cookie(const Auth& auth, const std::string& value, base::Micros lifetime) {
  return absl::StrCat(auth.cookie_name(), "=", value,
                      "; Path=/; HttpOnly; SameSite=Strict; Max-Age=", lifetime / 1'000'000);
}

}  // namespace

absl::StatusOr<Response> GetSession(Context&, const Call& call) {
  return JsonAnswer(ToJson(call.principal));
}

absl::StatusOr<Response> CreateSession(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(BodyReader body, BodyReader::Parse(call));
  const std::string code = body.RequiredText("code", 128, 1);
  RETURN_IF_ERROR(body.Finish());
  ASSIGN_OR_RETURN(const Auth::NewSession session, context.auth->RedeemLoginCode(code));
  Response response = JsonAnswer(ToJson(session.principal));
  response.headers.emplace_back("Set-Cookie",
                                Cookie(*context.auth, session.secret, Auth::kSessionLifetime));
  return response;
}

absl::StatusOr<Response> DeleteSession(Context& context, const Call& call) {
  // A bearer token has no session to end; saying so would help nobody.
  if (call.principal.via == Principal::Via::kSession) {
    RETURN_IF_ERROR(context.auth->EndSession(call.principal.session_digest));
  }
  Response response;
  response.status = 204;
  response.headers.emplace_back("Set-Cookie", Cookie(*context.auth, "", 0));
  return response;
}

absl::StatusOr<Response> CreateLoginCode(Context& context, const Call&) {
  const Auth::LoginCode code = context.auth->MakeLoginCode();
  return JsonAnswer({{"code", code.code}, {"expires_at", code.expires_at}});
}

}  // namespace regatta::server

#include "server/server.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/log.h"
#include "net/http_server.h"
#include "server/api/api.h"
#include "server/auth.h"
#include "server/console.h"
#include "server/idempotency.h"
#include "server/ticker.h"

namespace regatta::server {
namespace {

// Errors that the HTTP server itself finds, in the API's shape.
Response TransportError(int status, const std::string& message) {
  const char* code = status == 403   ? "permission_denied"
                     : status == 404 ? "not_found"
                     : status == 405 ? "unimplemented"
                     : status == 413 ? "out_of_range"
                     : status == 431 ? "out_of_range"
                     : status == 503 ? "unavailable"
                     : status >= 500 ? "internal"
                                     : "invalid_argument";
  return JsonAnswer({{"error", {{"code", code}, {"message", message}}}}, status);
}

bool Has(const Response& response, std::string_view name) {
  return std::any_of(response.headers.begin(), response.headers.end(),
                     [&](const auto& header) { return header.first == name; });
}

Response WithSafetyHeaders(Response response) {
  if (!Has(response, "Content-Security-Policy")) {
    response.headers.emplace_back(
        "Content-Security-Policy",
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "worker-src 'self' blob:; frame-ancestors 'none'");
  }
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  if (!Has(response, "Cache-Control")) response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

class ServerImpl final : public Server {
 public:
  explicit ServerImpl(const ServerOptions& options)
      : auth_(options.store, options.token, options.user, options.project),
        idempotency_(options.store),
        pipelines_(options.store),
        catalog_(options.store),
        context_{.engine = options.engine,
                 .pipelines = &pipelines_,
                 .catalog = &catalog_,
                 .jobs = options.jobs,
                 .auth = &auth_,
                 .idempotency = &idempotency_,
                 .ticker = &ticker_} {}
  ~ServerImpl() override { Stop(std::chrono::milliseconds(0)); }

  absl::Status Listen(const ServerOptions& options) {
    net::Router router;
    router.SetErrorBody([](int status, const std::string& message) {
      return WithSafetyHeaders(TransportError(status, message));
    });
    const auto error = [](int status, const std::string& message) {
      return WithSafetyHeaders(TransportError(status, message));
    };
    router.AddCheck(net::CheckHost({}, error));
    router.AddCheck(net::CheckOrigin(error));
    for (const Route& route : Routes()) {
      router.Add(route.method, route.pattern,
                 [this, &route](const net::Request& request) {
                   return WithSafetyHeaders(Answer(route, request));
                 },
                 {.body_limit = route.body_limit});
    }
    router.AddFallback(
        [](const net::Request& request) { return WithSafetyHeaders(AnswerFromConsole(request)); });
    net::HttpServerOptions http;
    http.address = options.address;
    http.port = options.port;
    ASSIGN_OR_RETURN(http_, net::HttpServer::Start(http, std::move(router)));
    return absl::OkStatus();
  }

  std::string url() const override { return http_->url(); }
  std::string MakeLoginAddress() override {
    return absl::StrCat(http_->url(), "/#code=", auth_.MakeLoginCode().code);
  }
  void Stop(std::chrono::milliseconds deadline) override {
    if (http_ != nullptr) http_->Stop(deadline);
  }

 private:
  Response Answer(const Route& route, const net::Request& request) {
    auto answer = Handle(route, request);
    if (answer.ok()) return *std::move(answer);
    const absl::Status& status = answer.status();
    if (absl::IsInternal(status) || absl::IsUnknown(status) || absl::IsDataLoss(status)) {
      base::Log(
          base::LogLevel::kError, "server", "a request failed",
          {{"method", request.method}, {"route", route.pattern}, {"error", status.ToString()}});
    }
    // Where a body is taken, "out of range" speaks of its size, for which HTTP has a code.
    if (absl::IsOutOfRange(status) && route.body_limit > 0) {
      return TransportError(413, std::string(status.message()));
    }
    Response response = ErrorAnswer(status);
    if (absl::IsUnauthenticated(status)) {
      response.headers.emplace_back("WWW-Authenticate", "Bearer");
    }
    return response;
  }

  absl::StatusOr<Response> Handle(const Route& route, const net::Request& request) {
    Call call{.http = request};
    if (route.access != Access::kOpen) {
      ASSIGN_OR_RETURN(call.principal, auth_.Authenticate(request));
    }
    if (route.access == Access::kBearer && call.principal.via != Principal::Via::kBearer) {
      return absl::PermissionDeniedError(
          absl::StrCat(route.pattern, " is for the command line only: it needs the bearer token"));
    }
    if (route.idempotent) return idempotency_.Handle(context_, call, route.handler);
    return route.handler(context_, call);
  }

  Auth auth_;
  Idempotency idempotency_;
  flow::PipelineStore pipelines_;
  flow::Catalog catalog_;
  Ticker ticker_;
  Context context_;
  std::unique_ptr<net::HttpServer> http_;  // last: its threads use all of the above
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options) {
  auto server = std::make_unique<ServerImpl>(options);
  RETURN_IF_ERROR(server->Listen(options));
  return server;
}

}  // namespace regatta::server

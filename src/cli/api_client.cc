#include "cli/api_client.h"

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"

namespace regatta::cli {
namespace {

absl::StatusCode CodeOf(const std::string& slug, int http) {
  for (int code = 0; code <= static_cast<int>(base::Code::kUnauthenticated); ++code) {
    const base::CodeSurface& surface = base::SurfaceOf(static_cast<base::Code>(code));
    if (slug == surface.slug) return static_cast<absl::StatusCode>(code);
  }
  return http >= 500 ? absl::StatusCode::kInternal : absl::StatusCode::kInvalidArgument;
}

absl::Status ErrorOf(int http, const std::string& body, const std::string& url) {
  const auto json = base::ParseJson(body);
  if (!json.ok() || !json->is_object() || !json->contains("error")) {
    return absl::InternalError(absl::StrCat(url, " answered with HTTP status ", http));
  }
  const base::Json& error = (*json)["error"];
  std::string message = error.value("message", "");
  if (const auto problems = error.find("problems"); problems != error.end()) {
    message.clear();
    for (const base::Json& problem : *problems) {
      const std::string path = problem.value("path", "");
      absl::StrAppend(&message, message.empty() ? "" : "\n", problem.value("file", ""), ":",
                      problem.value("line", 1), ":", problem.value("column", 1), ": ",
                      path.empty() ? "" : absl::StrCat(path, ": "), problem.value("message", ""));
    }
  }
  return absl::Status(CodeOf(error.value("code", ""), http), message);
}

}  // namespace

std::string QueryOf(std::initializer_list<std::pair<std::string_view, std::string>> values) {
  std::string query;
  for (const auto& [name, value] : values) {
    if (value.empty()) continue;
    query += query.empty() ? "?" : "&";
    query += name;
    query += "=" + net::PercentEncode(value);
  }
  return query;
}

absl::StatusOr<base::Json> ApiClient::Exchange(net::ClientRequest request) {
  request.headers["authorization"] = "Bearer " + token_;
  ASSIGN_OR_RETURN(const net::ClientResponse response, http_.Send(request));
  if (response.status >= 300) return ErrorOf(response.status, response.body, request.url);
  if (response.body.empty()) return base::Json();
  return ToAbsl(base::ParseJson(response.body, {.bytes = 256u << 20, .depth = 128}));
}

absl::StatusOr<base::Json> ApiClient::Get(const std::string& path) {
  return Exchange({.method = "GET", .url = address_ + path});
}

absl::StatusOr<base::Json> ApiClient::Post(const std::string& path, const base::Json& body,
                                           const std::string& idempotency_key) {
  net::ClientRequest request{.method = "POST", .url = address_ + path};
  request.headers["content-type"] = "application/json";
  if (!idempotency_key.empty()) request.headers["idempotency-key"] = idempotency_key;
  request.body = base::DumpJson(body);
  return Exchange(std::move(request));
}

absl::StatusOr<base::Json> ApiClient::Delete(const std::string& path,
                                             const std::string& idempotency_key) {
  net::ClientRequest request{.method = "DELETE", .url = address_ + path};
  request.headers["idempotency-key"] = idempotency_key;
  return Exchange(std::move(request));
}

absl::StatusOr<std::vector<base::Json>> ApiClient::GetAll(const std::string& path) {
  std::vector<base::Json> items;
  std::string cursor;
  do {
    const char* separator = path.find('?') == std::string::npos ? "?" : "&";
    ASSIGN_OR_RETURN(
        base::Json page,
        Get(absl::StrCat(path, separator, "limit=1000",
                         cursor.empty() ? "" : "&cursor=" + net::PercentEncode(cursor))));
    for (base::Json& item : page["items"]) items.push_back(std::move(item));
    cursor = page.value("next_cursor", "");
  } while (!cursor.empty());
  return items;
}

absl::Status ApiClient::Stream(const std::string& path,
                               const std::function<bool(const net::ServerEvent&)>& on_event,
                               const std::function<bool()>& keep_going) {
  net::EventParser parser;
  bool stopped = false;
  net::ClientRequest request{.method = "GET", .url = address_ + path};
  request.headers["authorization"] = "Bearer " + token_;
  request.headers["accept"] = "text/event-stream";
  request.timeout = std::chrono::milliseconds(0);
  request.on_data = [&](std::string_view bytes) {
    stopped = stopped || !parser.Feed(bytes, on_event);
    return !stopped;
  };
  request.keep_going = [&] {
    stopped = stopped || !keep_going();
    return !stopped;
  };
  const auto response = http_.Send(request);
  if (stopped) return absl::OkStatus();
  if (!response.ok()) return response.status();
  if (response->status != 200) return ErrorOf(response->status, response->body, request.url);
  return absl::OkStatus();
}

}  // namespace regatta::cli

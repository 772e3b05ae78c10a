#include "net/router.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace regatta::net {
namespace {

std::vector<std::string> Segments(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    if (path.front() == '/') path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    out.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return out;
}

bool IsParameter(const std::string& segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

// The host of "host:port", "[::1]:80", "host".
std::string_view HostOf(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

}  // namespace

void Router::Add(std::string method, std::string_view pattern, Handler handler,
                 RouteOptions options) {
  routes_.push_back(
      {std::move(method), std::string(pattern), Segments(pattern), std::move(handler), options});
}

void Router::AddFallback(Handler handler) { fallback_ = std::move(handler); }
void Router::AddCheck(Check check) { checks_.push_back(std::move(check)); }
void Router::SetErrorBody(ErrorBody body) { error_body_ = std::move(body); }

Router::Match Router::Find(const std::string& method, std::string_view raw_path) const {
  Match match;
  const std::vector<std::string> segments = Segments(raw_path);
  for (const Route& route : routes_) {
    if (route.segments.size() != segments.size()) continue;
    std::map<std::string, std::string> params;
    bool fits = true;
    for (std::size_t i = 0; fits && i < segments.size(); ++i) {
      const std::string& wanted = route.segments[i];
      if (!IsParameter(wanted)) {
        fits = wanted == segments[i];
        continue;
      }
      auto value = PercentDecode(segments[i], false);
      fits = value.has_value() && !value->empty();
      if (fits) params[wanted.substr(1, wanted.size() - 2)] = *std::move(value);
    }
    if (!fits) continue;
    match.pattern = route.pattern;
    if (route.method == method || (route.method == "GET" && method == "HEAD")) {
      match.handler = &route.handler;
      match.body_limit = route.options.body_limit;
      match.params = std::move(params);
      match.allowed.clear();
      return match;
    }
    match.allowed.push_back(route.method);
    if (route.method == "GET") match.allowed.push_back("HEAD");
  }
  if (match.allowed.empty() && fallback_ && (method == "GET" || method == "HEAD")) {
    match.handler = &fallback_;
  }
  std::sort(match.allowed.begin(), match.allowed.end());
  return match;
}

std::optional<Response> Router::RunChecks(const Request& request) const {
  for (const Check& check : checks_) {
    if (auto answer = check(request)) return answer;
  }
  return std::nullopt;
}

Response Router::Error(int status, const std::string& message) const {
  return error_body_ ? error_body_(status, message) : TextResponse(status, message + "\n");
}

Router::Check CheckHost(std::vector<std::string> names, Router::ErrorBody error) {
  return [names = std::move(names),
          error = std::move(error)](const Request& request) -> std::optional<Response> {
    const std::string& authority = request.Header("host");
    const std::string_view host = HostOf(authority);
    for (const std::string_view loopback : {"localhost", "127.0.0.1", "[::1]"}) {
      if (host == loopback) return std::nullopt;
    }
    if (std::find(names.begin(), names.end(), host) != names.end()) return std::nullopt;
    return error(421, absl::StrCat("this server does not answer for the host \"", authority,
                                   "\"; use the address that it printed"));
  };
}

Router::Check CheckOrigin(Router::ErrorBody error) {
  return [error = std::move(error)](const Request& request) -> std::optional<Response> {
    const std::string& origin = request.Header("origin");
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (reads || origin.empty()) return std::nullopt;
    const std::size_t slashes = origin.find("://");
    if (slashes != std::string::npos && origin.substr(slashes + 3) == request.Header("host")) {
      return std::nullopt;
    }
    return error(403, absl::StrCat("a page of ", origin, " may not change anything here"));
  };
}

}  // namespace regatta::net

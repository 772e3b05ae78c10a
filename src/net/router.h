#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"

namespace regatta::net {

struct RouteOptions {
  std::size_t body_limit = 1u << 20;  // bytes; more is answered with 413
};

// Finds the handler of a request. Filled before the server starts, constant afterwards.
class Router {
 public:
  // `pattern`: "/api/v1/runs/{run_id}"; a segment in braces matches any one non-empty segment.
  // A handler for GET answers HEAD as well (the server drops the body).
  void Add(std::string method, std::string_view pattern, Handler handler,
           RouteOptions options = {});
  // Answers GET requests that no pattern matches (a console's pages); else they get 404.
  void AddFallback(Handler handler);
  // Runs before every handler, in the order of adding; an answer from it is the answer.
  using Check = std::function<std::optional<Response>(const Request&)>;
  void AddCheck(Check check);
  // How errors look; the default is plain text.
  using ErrorBody = std::function<Response(int status, const std::string& message)>;
  void SetErrorBody(ErrorBody body);

  struct Match {
    const Handler* handler = nullptr;
    std::size_t body_limit = 0;
    std::string pattern;  // "" for the fallback; a label for metrics
    std::map<std::string, std::string> params;
    std::vector<std::string> allowed;  // methods of the path when the method is not among them
  };
  Match Find(const std::string& method, std::string_view raw_path) const;

  std::optional<Response> RunChecks(const Request& request) const;
  Response Error(int status, const std::string& message) const;

 private:
  struct Route {
    std::string method;
    std::string pattern;
    std::vector<std::string> segments;
    Handler handler;
    RouteOptions options;
  };
  std::vector<Route> routes_;
  Handler fallback_;
  std::vector<Check> checks_;
  ErrorBody error_body_;
};

// Refuses requests whose Host is neither a loopback name nor one of `names` (DNS rebinding).
Router::Check CheckHost(std::vector<std::string> names, Router::ErrorBody error);
// Refuses state-changing requests that a browser sends on behalf of another site: an Origin header
// that does not name our own Host.
Router::Check CheckOrigin(Router::ErrorBody error);

}  // namespace regatta::net

#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace regatta::net {

struct ClientRequest {
  std::string method = "GET";
  std::string url;
  std::map<std::string, std::string> headers;
  std::string body;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds timeout{30'000};  // of the whole exchange; zero: none (streams)
  // Called with the body's bytes as they come (then `body` of the response stays empty), only for
  // answers with status 200. Returning false ends the exchange with kCancelled.
  std::function<bool(std::string_view)> on_data;
  // Called at least once a second while waiting; returning false ends with kCancelled.
  std::function<bool()> keep_going;
};

struct ClientResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// Outbound HTTP over libcurl. Keeps connections open between requests. Not thread-safe: one object
// a thread. Never goes through a proxy to loopback. Only http and https.
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any HTTP status is an answer. kUnavailable: nobody answers there, or the connection broke;
  // kDeadlineExceeded: too late; kInvalidArgument: the URL. The message names the address.
  absl::StatusOr<ClientResponse> Send(const ClientRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace regatta::net

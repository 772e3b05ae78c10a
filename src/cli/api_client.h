#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/json.h"
#include "net/http.h"
#include "net/http_client.h"

namespace regatta::cli {

// The API as the command line uses it. An error body becomes the status that the server meant: its
// code, its message; for a bad pipeline one line a problem. kUnavailable: nobody answers. Not
// thread-safe.
class ApiClient {
 public:
  ApiClient(std::string address, std::string token)
      : address_(std::move(address)), token_(std::move(token)) {}

  const std::string& address() const { return address_; }
  // The same server and token on a connection of its own.
  ApiClient Another() const { return ApiClient(address_, token_); }

  absl::StatusOr<base::Json> Get(const std::string& path);
  // `idempotency_key` "" sends none.
  absl::StatusOr<base::Json> Post(const std::string& path, const base::Json& body,
                                  const std::string& idempotency_key = "");

  absl::StatusOr<base::Json> Delete(const std::string& path, const std::string& idempotency_key);

  // All items of a paginated list.
  absl::StatusOr<std::vector<base::Json>> GetAll(const std::string& path);

  // Reads an event stream until it ends (OK), `on_event` or `keep_going` returns false (OK), or the
  // connection is lost (kUnavailable). `keep_going` is called about four times a second.
  absl::Status Stream(const std::string& path,
                      const std::function<bool(const net::ServerEvent&)>& on_event,
                      const std::function<bool()>& keep_going);

 private:
  absl::StatusOr<base::Json> Exchange(net::ClientRequest request);

  std::string address_;
  std::string token_;
  net::HttpClient http_;
};

// "?name=value&…" with values encoded; empty values are left out.
std::string QueryOf(std::initializer_list<std::pair<std::string_view, std::string>> values);

}  // namespace regatta::cli

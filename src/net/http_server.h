#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "net/router.h"

namespace regatta::net {

struct HttpServerOptions {
  std::string address = "127.0.0.1";  // loopback only: TLS is not built yet
  int port = 0;                       // 0: any free one
  int workers = 4;                    // threads that run handlers
  int max_connections = 4096;         // more are answered with 503
  std::size_t header_limit = 16 * 1024;
  std::chrono::milliseconds header_timeout{15'000};  // to send a whole request head
  std::chrono::milliseconds body_timeout{60'000};    // to send a whole body
  std::chrono::milliseconds idle_timeout{75'000};    // between requests of one connection
  std::chrono::milliseconds write_timeout{30'000};   // without any progress
  std::chrono::milliseconds heartbeat{15'000};       // of silent streams
};

// HTTP/1.1 on Asio coroutines: one thread does all input and output, `workers` threads run handlers
// (which may block). Thread-safe.
class HttpServer {
 public:
  // Listening when it returns. kAlreadyExists: the port is in use (the message names it);
  // kInvalidArgument: not a loopback address; kPermissionDenied: the port needs privileges.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options,
                                                           Router router);
  // Stop()s with a deadline of zero.
  virtual ~HttpServer() = default;

  virtual int port() const = 0;
  // "http://127.0.0.1:8470"
  virtual std::string url() const = 0;
  // Takes no new connections, ends streams, lets running requests finish until `deadline`, closes.
  virtual void Stop(std::chrono::milliseconds deadline) = 0;
};

}  // namespace regatta::net

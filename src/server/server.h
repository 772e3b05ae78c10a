#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "flow/engine.h"
#include "job/kubeflow/controller.h"
#include "store/store.h"

namespace regatta::server {

struct ServerOptions {
  store::Store* store = nullptr;  // opened with ServerSchema() among its schemas
  flow::Engine* engine = nullptr;
  job::TrainingJobs* jobs = nullptr;  // all three must outlive the server
  std::string address = "127.0.0.1";
  int port = 0;       // 0: any free one
  std::string token;  // the bearer token of the command line
  std::string user;   // whom a login makes you
  std::string project = "default";
};

// The API of docs/openapi.yaml, the event streams and the console. Thread-safe.
class Server {
 public:
  // Ready for requests when it returns. Errors as net::HttpServer::Start.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options);
  virtual ~Server() = default;

  // "http://127.0.0.1:8470"
  virtual std::string url() const = 0;
  // An address that logs a browser in once, within ten minutes: "http://127.0.0.1:8470/#code=…".
  virtual std::string MakeLoginAddress() = 0;
  // Takes no new requests and lets running ones finish until the deadline.
  virtual void Stop(std::chrono::milliseconds deadline) = 0;
};

}  // namespace regatta::server

#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/config.h"
#include "flow/engine.h"

namespace regatta::cli {

struct OwnerProcessOptions {
  std::string home;  // absolute
  std::string address = "127.0.0.1";
  int port = 0;
  // Owns only as long as a command of its own takes.
  bool passing = false;
  // Which unfinished runs of an earlier owner go on.
  flow::TakeUp take_up = flow::TakeUp::kAll;
};

// Everything that an owner of a state directory runs: lock, store, engine, server. `serve` is this
// and nothing else; `run` is this for the time of one run when nobody else owns the directory.
class OwnerProcess {
 public:
  // Serving when it returns. kAlreadyExists when the
  // directory has another owner (server/owner.h) or the port is taken.
  static absl::StatusOr<std::unique_ptr<OwnerProcess>> Start(const OwnerProcessOptions& options,
                                                             const base::Config& settings);
  // Ends in order; processes of running steps go on and are adopted by the next owner.
  virtual ~OwnerProcess() = default;

  virtual std::string url() const = 0;
  virtual std::string token() const = 0;
  virtual std::string MakeLoginAddress() = 0;
};

// The state directory in force, as an absolute path.
std::string HomeOf(const base::Config& settings);

// The database in force: the one that was asked for, else SQLite in the state directory.
std::string StoreUrlOf(const base::Config& settings);

}  // namespace regatta::cli

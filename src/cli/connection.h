#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "base/config.h"
#include "cli/api_client.h"
#include "cli/looker.h"
#include "cli/owner_process.h"

namespace regatta::cli {

// A way to the API of the state directory in force: the running owner's, or, when there is none,
// our own for as long as this object lives.
struct Connection {
  std::unique_ptr<OwnerProcess> own;  // set when we own the directory
  std::unique_ptr<Looker> look;       // set when nobody owns it and we only look
  std::unique_ptr<ApiClient> api;     // destroyed first
  // Somebody else owns the directory, but only while a `regatta run` of its own goes on. When that
  // one is gone, Connect finds who is next: another, or ourselves.
  bool passing = false;
};

// What to do when nobody owns the directory.
enum class WhenUnowned {
  kFail,  // kUnavailable
  kLook,  // answer from what is stored and change nothing; kNotFound when nothing is
  kOwn,   // become the owner
};

struct ConnectOptions {
  WhenUnowned when_unowned = WhenUnowned::kFail;
  flow::TakeUp take_up = flow::TakeUp::kAll;  // as owner
  int port = 0;                               // of our own server
};
absl::StatusOr<Connection> Connect(const base::Config& settings, const ConnectOptions& options);

// Only looks, whether somebody owns the directory or not: nobody's end disturbs it.
absl::StatusOr<Connection> ConnectToLook(const base::Config& settings);

}  // namespace regatta::cli

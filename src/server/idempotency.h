#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/api/api.h"
#include "store/store.h"

namespace regatta::server {

// Idempotency keys: the same key with the same request gives the first answer again, for 24 hours.
// What makes this hold over a crash: the id of the thing to be created is stored durably with the
// key before anything is created, so a repeated request creates the same thing. Thread-safe.
class Idempotency {
 public:
  explicit Idempotency(store::Store* store) : store_(store) {}

  // Runs `handler` for a request that has an Idempotency-Key (others go straight through).
  // kAlreadyExists when the key was used for another request. Only answers of success are kept: a
  // refused request has changed nothing, and its key may be used again.
  absl::StatusOr<Response> Handle(Context& context, Call& call, Handler handler);

 private:
  absl::StatusOr<Response> First(Context& context, Call& call, Handler handler,
                                 const std::string& key);
  store::Store* store_;
};

}  // namespace regatta::server

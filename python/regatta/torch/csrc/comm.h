#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "library.h"

namespace regatta::c10d_eccl {

struct CommOptions {
  std::chrono::milliseconds timeout;
  std::string host;  // as ecclConfig_t's; empty: from the environment
};

// Makes an id and listens; the calling process becomes rank 0.
ecclUniqueId MakeUniqueId(const CommOptions& options);

// One communicator of libeccl, with its errors as exceptions. Thread-safe as libeccl is.
class Comm {
 public:
  // Joins; throws when the ranks do not come together within the time-out.
  Comm(int rank, int size, const ecclUniqueId& id, const CommOptions& options);
  // Leaves in order, unless it was aborted.
  ~Comm();
  Comm(const Comm&) = delete;
  Comm& operator=(const Comm&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  ecclComm_t handle() const { return handle_; }

  // Throws with libeccl's text unless `result` is ecclSuccess. In the thread that made the call.
  void Check(ecclResult_t result) const;
  // Of the calls from now on; of the one in progress, too.
  void SetTimeout(std::chrono::milliseconds timeout);
  // Calls in progress fail, here and on the other ranks; later ones here fail at once.
  void Abort();
  // Why every call fails; empty while none has to.
  std::string Failure() const;

 private:
  int rank_;
  int size_;
  ecclComm_t handle_ = nullptr;
  std::atomic<std::int64_t> timeout_ms_;
  std::atomic<bool> aborted_{false};
};

}  // namespace regatta::c10d_eccl

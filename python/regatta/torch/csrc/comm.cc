#include "comm.h"

#include <algorithm>

#include "abi.h"

namespace regatta::c10d_eccl {
namespace {

ecclConfig_t ConfigOf(const CommOptions& options) {
  ecclConfig_t config = ECCL_CONFIG_INITIALIZER;
  config.timeout_ms = config.init_timeout_ms = std::max<std::int64_t>(options.timeout.count(), 1);
  config.host = options.host.empty() ? nullptr : options.host.c_str();
  return config;
}

}  // namespace

ecclUniqueId MakeUniqueId(const CommOptions& options) {
  const ecclConfig_t config = ConfigOf(options);
  ecclUniqueId id;
  if (Eccl().GetUniqueIdConfig(&id, &config) != ecclSuccess) Fail(Eccl().GetLastError(nullptr));
  return id;
}

Comm::Comm(int rank, int size, const ecclUniqueId& id, const CommOptions& options)
    : rank_(rank), size_(size), timeout_ms_(options.timeout.count()) {
  const ecclConfig_t config = ConfigOf(options);
  Check(Eccl().CommInitRankConfig(&handle_, size, id, rank, &config));
}

Comm::~Comm() {
  if (!aborted_) Eccl().CommDestroy(handle_);
}

void Comm::Check(ecclResult_t result) const {
  if (result == ecclSuccess) return;
  if (aborted_) Fail("rank " + std::to_string(rank_) + " has aborted this process group");
  Fail(Eccl().GetLastError(handle_));
}

void Comm::SetTimeout(std::chrono::milliseconds timeout) {
  const std::int64_t wanted = std::max<std::int64_t>(timeout.count(), 1);
  if (timeout_ms_.exchange(wanted) != wanted) Check(Eccl().CommSetTimeout(handle_, wanted));
}

void Comm::Abort() {
  if (!aborted_.exchange(true)) Eccl().CommAbort(handle_);
}

std::string Comm::Failure() const {
  ecclResult_t state = ecclSuccess;
  if (aborted_) return "rank " + std::to_string(rank_) + " has aborted this process group";
  const ecclResult_t result = Eccl().CommGetAsyncError(handle_, &state);
  return result == ecclSuccess && state == ecclSuccess ? "" : Eccl().GetLastError(handle_);
}

}  // namespace regatta::c10d_eccl

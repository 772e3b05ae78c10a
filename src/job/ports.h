#pragma once

#include <set>
#include <vector>

#include "absl/status/statusor.h"

namespace regatta::job {

// Loopback TCP ports for jobs. They lie below the kernel's range for outgoing connections, so that
// none of those takes one between the choice and the rank's bind; each was free when it was chosen,
// and none is given out twice before it is returned. Not thread-safe.
class Ports {
 public:
  Ports();
  absl::StatusOr<std::vector<int>> Take(int count);
  void Reserve(const std::vector<int>& ports);  // an adopted job's
  void Return(const std::vector<int>& ports);

 private:
  int low_ = 10'000;
  int high_ = 32'767;  // inclusive
  int next_;
  std::set<int> taken_;
};

}  // namespace regatta::job

#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "job/job.h"

namespace regatta::job {

// What a whole gang takes, or a machine has.
struct Capacity {
  double cpus = 0;
  std::int64_t memory_bytes = 0;
  int processes = 0;
};

Capacity NeedsOf(const JobSpec& spec);

// The CPUs this process may run on (affinity and cgroup quota) and the memory of the machine or
// container.
Capacity Machine();

// Counts. Jobs are admitted in the order they came: one that does not fit yet is not overtaken, so
// that a wide gang is not starved by narrow ones.
class Admission {
 public:
  explicit Admission(Capacity total) : total_(total) {}

  // kInvalidArgument for what never fits.
  absl::Status CheckPossible(const Capacity& needs) const;
  // "" when it fits now; else "waits for 2 CPUs (1 of 2 free)".
  std::string WhyNot(const Capacity& needs) const;
  void Take(const Capacity& needs);
  void Return(const Capacity& needs);

 private:
  Capacity total_;
  Capacity used_;
};

}  // namespace regatta::job

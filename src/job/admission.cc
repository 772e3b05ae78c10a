#include "job/admission.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/file.h"

namespace regatta::job {
namespace {

constexpr double kTolerance = 1e-6;  // ten replicas of 0.1 CPU are one CPU

std::string Bytes(std::int64_t bytes) {
  constexpr double kMebi = 1 << 20;
  const double mebi = static_cast<double>(bytes) / kMebi;
  return mebi < 1024 ? absl::StrFormat("%.1f MiB", mebi) : absl::StrFormat("%.1f GiB", mebi / 1024);
}

std::string Cpus(double cpus) { return absl::StrFormat("%g CPU%s", cpus, cpus == 1 ? "" : "s"); }

double NumberIn(const std::string& path) {
  const auto text = base::ReadFile(path);
  return text.ok() ? std::atof(text->c_str()) : 0;
}

double CpuQuota() {
  const double quota = NumberIn("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  const double period = NumberIn("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (quota > 0 && period > 0) return quota / period;
  double limit = 0, every = 0;
  if (const auto text = base::ReadFile("/sys/fs/cgroup/cpu.max"); text.ok()) {
    std::istringstream(*text) >> limit >> every;  // "max 100000" leaves both at zero
  }
  return limit > 0 && every > 0 ? limit / every : 0;
}

// `sum` and `each` for all `count`; far more than any machine has when it does not fit.
std::int64_t Together(std::int64_t sum, std::int64_t each, int count) {
  constexpr std::int64_t kFar = std::int64_t{1} << 62;
  if (each > (kFar - sum) / std::max(1, count)) return kFar;
  return sum + each * count;
}

}  // namespace

Capacity NeedsOf(const JobSpec& spec) {
  Capacity needs;
  for (const Role& role : spec.roles) {
    needs.cpus += role.resources.cpus * role.replicas;
    needs.memory_bytes = Together(needs.memory_bytes, role.resources.memory_bytes, role.replicas);
    needs.processes += role.replicas;
  }
  return needs;
}

Capacity Machine() {
  Capacity machine;
  cpu_set_t set;
  CPU_ZERO(&set);
  machine.cpus = sched_getaffinity(0, sizeof set, &set) == 0
                     ? CPU_COUNT(&set)
                     : static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
  if (const double quota = CpuQuota(); quota > 0) machine.cpus = std::min(machine.cpus, quota);
  machine.memory_bytes =
      static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
  for (const char* path :
       {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"}) {
    const double limit = NumberIn(path);
    if (limit > 0 && limit < static_cast<double>(machine.memory_bytes)) {
      machine.memory_bytes = static_cast<std::int64_t>(limit);
    }
  }
  return machine;
}

absl::Status Admission::CheckPossible(const Capacity& needs) const {
  std::string problem;
  if (needs.cpus > total_.cpus + kTolerance) {
    problem =
        absl::StrCat(Cpus(needs.cpus), ", but there are ", absl::StrFormat("%g", total_.cpus));
  } else if (needs.memory_bytes > total_.memory_bytes) {
    problem = absl::StrCat(Bytes(needs.memory_bytes), " of memory, but there are ",
                           Bytes(total_.memory_bytes));
  } else if (needs.processes > total_.processes) {
    problem = absl::StrCat(needs.processes, " processes, but at most ", total_.processes,
                           " run at a time");
  }
  if (problem.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("all replicas together ask for " + problem);
}

std::string Admission::WhyNot(const Capacity& needs) const {
  // What asks for none of a thing does not wait for it, even where adopted jobs hold too much.
  if (needs.cpus > 0 && used_.cpus + needs.cpus > total_.cpus + kTolerance) {
    return absl::StrCat(
        "waits for ", Cpus(needs.cpus), " (",
        absl::StrFormat("%g of %g", std::max(0.0, total_.cpus - used_.cpus), total_.cpus),
        " free)");
  }
  if (needs.memory_bytes > 0 && used_.memory_bytes + needs.memory_bytes > total_.memory_bytes) {
    const std::int64_t free = std::max<std::int64_t>(0, total_.memory_bytes - used_.memory_bytes);
    return absl::StrCat("waits for ", Bytes(needs.memory_bytes), " of memory (", Bytes(free),
                        " of ", Bytes(total_.memory_bytes), " free)");
  }
  if (used_.processes + needs.processes > total_.processes) {
    const int free = std::max(0, total_.processes - used_.processes);
    return absl::StrCat("waits for ", needs.processes,
                        needs.processes == 1 ? " process" : " processes", " (", free, " of ",
                        total_.processes, " free)");
  }
  return "";
}

void Admission::Take(const Capacity& needs) {
  used_.cpus += needs.cpus;
  used_.memory_bytes += needs.memory_bytes;
  used_.processes += needs.processes;
}

void Admission::Return(const Capacity& needs) {
  used_.cpus = std::max(0.0, used_.cpus - needs.cpus);
  used_.memory_bytes -= needs.memory_bytes;
  used_.processes -= needs.processes;
  if (used_.processes == 0) used_.cpus = 0;  // rounding does not add up over many jobs
}

}  // namespace regatta::job

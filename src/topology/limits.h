#pragma once

#include <string>

#include "topology/topology.h"

namespace regatta::topology {

// What cgroups leave to this process: the tightest value on the way up from its group, of cgroup v2
// (cpu.max, memory.max, cpuset.cpus.effective) or v1 (cpu.cfs_quota_us, memory.limit_in_bytes,
// cpuset.cpus); see the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/. A
// processor list that holds all processors of the machine is no limit. Never fails: what cannot be
// read does not limit. `root` is put before every path (tests have a tree of their own).
Limits DetectLimits(const std::string& root = "");

}  // namespace regatta::topology

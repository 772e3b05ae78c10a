#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "topology/topology.h"

namespace regatta::topology {

// This machine: hwloc's look, sysfs for NICs, NVML for NVIDIA GPUs, cgroups for limits. What could
// not be asked is said in `notes`; only a failing hwloc is an error (kInternal). Takes some 10 ms
// without a GPU driver, and what NVML takes with one. Any thread.
base::Result<Topology> Detect();

// A description in a file: hwloc's XML or NCCL's topology XML, told apart by the first element
// (<system> is NCCL's). kInvalidArgument says what is wrong and where; kNotFound when there is no
// such file.
base::Result<Topology> ReadTopologyFile(const std::string& path);

}  // namespace regatta::topology

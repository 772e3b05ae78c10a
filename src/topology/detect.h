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

// A description in one of three formats: our JSON, NCCL's topology XML, hwloc's XML. They are told
// apart by how they begin ({, <system>, anything else). kInvalidArgument says what is wrong and
// where in `name`; kOutOfRange for a limit of size.
base::Result<Topology> ReadTopology(std::string_view text, const std::string& name);
// The same from a file; kNotFound when there is none.
base::Result<Topology> ReadTopologyFile(const std::string& path);

}  // namespace regatta::topology

#pragma once

#include <string>

#include "base/status.h"
#include "topology/topology.h"

namespace regatta::topology {

// Asks NVIDIA's management library about this host's GPUs: name, memory, compute capability,
// NVLinks and where they lead (another GPU, or an NVSwitch: all of them become one switch). Fills
// in the accelerators that are there already and adds those that are not. The library is loaded for
// the call and let go after it. kNotFound when it is not there, which is normal on a machine
// without an NVIDIA driver; kUnavailable when it is and does not work, with its reason.
//
// NVLink's bandwidth is what NCCL counts with, GB/s each direction for one link by compute
// capability (NCCL source, src/graph/topo.h): 18 for 6.0, 20 for 7.0 and 8.0, 12 for 8.6, 20.6 for
// 9.0, 40.1 for 10.0.
base::Status AddNvmlDevices(int host, Topology* topology,
                            const std::string& library = "libnvidia-ml.so.1");

// 0 for what the table does not have.
double NvlinkGigabytesPerSecond(int compute_version);

}  // namespace regatta::topology

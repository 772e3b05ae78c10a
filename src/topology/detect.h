#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "topology/topology.h"

namespace regatta::topology {

// This machine: hwloc's look, sysfs for NICs, NVML for NVIDIA GPUs, cgroups for limits. What could
// not be asked is said in `notes`; only a failing hwloc is an error (kInternal). Takes some 10 ms
// without a GPU driver, and what NVML takes with one. Any thread.
base::Result<Topology> Detect();

enum class TextFormat : std::uint8_t { kJson, kNccl, kHwloc };
// By how a text begins: {, <system>, anything else.
TextFormat FormatOf(std::string_view text);

// A description of a machine or cluster: our JSON, NCCL's topology XML or hwloc's. NICs without a
// rail get one by guess, but for our JSON, which says what it means. kInvalidArgument says what is
// wrong and where in `name`; kOutOfRange for a limit of size.
base::Result<Topology> ReadTopology(std::string_view text, const std::string& name,
                                    TextFormat format);
inline base::Result<Topology> ReadTopology(std::string_view text, const std::string& name) {
  return ReadTopology(text, name, FormatOf(text));
}
// The same from a file; kNotFound when there is none.
base::Result<Topology> ReadTopologyFile(const std::string& path);

}  // namespace regatta::topology

#include "topology/detect.h"

#include "base/file.h"
#include "topology/hwloc.h"
#include "topology/limits.h"
#include "topology/nics.h"
#include "topology/nvml.h"

namespace regatta::topology {

base::Result<Topology> Detect() {
  BASE_ASSIGN_OR_RETURN(Topology topology, DetectWithHwloc());
  const int host = topology.All(PartKind::kHost).front();
  AddNics(host, &topology);
  if (const base::Status status = AddNvmlDevices(host, &topology); !status.ok()) {
    topology.notes.push_back(status.message());
  }
  GuessRails(&topology);
  topology.limits = DetectLimits();
  if (topology.All(PartKind::kAccelerator).empty())
    topology.notes.emplace_back("no accelerator was found");
  if (topology.All(PartKind::kNic).size() > 1) {
    topology.notes.emplace_back(
        "rails are a guess from the order of PCI addresses; no probe was made");
  }
  return topology;
}

base::Result<Topology> ReadTopologyFile(const std::string& path) {
  BASE_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path));
  BASE_ASSIGN_OR_RETURN(Topology topology, FromHwlocXml(text, path));
  GuessRails(&topology);
  return topology;
}

}  // namespace regatta::topology

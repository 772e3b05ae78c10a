#include <cstdio>

#include "base/absl_status.h"
#include "base/json.h"
#include "cli/commands/commands.h"
#include "cli/terminal.h"
#include "topology/detect.h"
#include "topology/mapping.h"
#include "topology/nccl_xml.h"
#include "topology/svg.h"
#include "topology/text.h"

namespace regatta::cli {
namespace {

base::Result<topology::Topology> MachineOf(const Invocation& call) {
  return call.file.empty() ? topology::Detect() : topology::ReadTopologyFile(call.file);
}

// As many machines as the layout needs, unless the call says how many there are.
base::Result<topology::Cluster> ClusterOf(const Invocation& call, int world_size) {
  BASE_ASSIGN_OR_RETURN(const topology::Topology machine, MachineOf(call));
  return topology::ClusterFrom(
      machine, {.copies = call.hosts, .ranks = world_size, .devices = call.devices});
}

}  // namespace

int ShowTopology(const Invocation& call, const base::Config&) {
  const auto topology = MachineOf(call);
  if (!topology.ok()) return Fail(ToAbsl(topology.status()));
  if (call.json) {
    std::printf("%s\n", base::DumpJson(topology::ToJson(*topology)).c_str());
  } else if (call.output == "svg") {
    std::printf("%s", topology::RenderSvg(*topology).c_str());
  } else if (call.output == "nccl") {
    const auto xml = topology::ToNcclXml(*topology);
    if (!xml.ok()) return Fail(ToAbsl(xml.status()));
    std::printf("%s", xml->c_str());
  } else {
    std::printf("%s",
                topology::RenderText(*topology, {.unicode = LookAtTerminal().unicode}).c_str());
  }
  return 0;
}

int MapRanksToCards(const Invocation& call, const base::Config&) {
  const auto layout = topology::ParseLayout(call.layout);
  if (!layout.ok()) return Fail(ToAbsl(layout.status()));
  const auto cluster = ClusterOf(call, topology::WorldSize(*layout));
  if (!cluster.ok()) return Fail(ToAbsl(cluster.status()));
  const auto mapping = topology::MapRanks(*cluster, *layout);
  if (!mapping.ok()) return Fail(ToAbsl(mapping.status()));
  if (call.json) {
    std::printf("%s\n", base::DumpJson(topology::ToJson(*mapping, *cluster, *layout)).c_str());
  } else {
    std::printf("%s", topology::RenderMapping(*mapping, *cluster).c_str());
  }
  return 0;
}

}  // namespace regatta::cli

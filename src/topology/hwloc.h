#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "topology/topology.h"

namespace regatta::topology {

// This machine as hwloc sees it: processors, memory, caches, the PCIe tree with NICs and
// accelerators. kInternal with hwloc's reason where it cannot look. Any thread.
base::Result<Topology> DetectWithHwloc();

// A machine from XML that hwloc (`lstopo machine.xml`, versions 1 and 2 of the format) wrote.
// NVLinks come from its "NVLinkBandwidth" matrix where there is one. kInvalidArgument for what
// hwloc does not take, with `name` in the message; kOutOfRange above 64 MiB.
base::Result<Topology> FromHwlocXml(std::string_view xml, const std::string& name);

}  // namespace regatta::topology

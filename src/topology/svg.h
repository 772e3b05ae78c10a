#pragma once

#include <string>

#include "topology/topology.h"

namespace regatta::topology {

// A picture as an SVG 1.1 document that needs nothing else: each host is a box with its sockets,
// NUMA nodes, PCIe and NVLink switches and devices nested as they are wired; switches of the
// network are below, with lines of their rail's colour to the NICs that are at them. Rails have one
// colour in all hosts. Hovering shows what RenderText says of a part. Of more than 16 hosts the
// rest is counted.
std::string RenderSvg(const Topology& topology);

}  // namespace regatta::topology

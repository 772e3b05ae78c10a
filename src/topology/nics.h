#pragma once

#include <string>

#include "topology/topology.h"

namespace regatta::topology {

// Fills in what sysfs knows of this host's NICs and hwloc does not: the speed of the port
// (/sys/class/infiniband/*/ports/*/rate, else /sys/class/net/*/speed), whether it is up, the names
// of the interface and of the RDMA device. Adds NICs that hwloc did not show; interfaces without a
// device behind them (a container's) only where there is no other, and never loopback. `host` is a
// part of kind kHost; `root` is put before every path (tests have a tree of their own).
void AddNics(int host, Topology* topology, const std::string& root = "");

// Gives rails to the NICs of each host that have none yet: where several NICs share the highest
// speed (among those with RDMA, where any has it), they are rails 0, 1, ... in the order of their
// PCI addresses. That is how 8-rail machines are cabled by habit; it is a guess until a probe has
// confirmed it.
void GuessRails(Topology* topology);

}  // namespace regatta::topology

#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "topology/cluster.h"
#include "topology/layout.h"

namespace regatta::topology {

// Where the groups of one dimension ended up, and what their traffic costs in a step.
struct DimensionPlacement {
  std::string name;
  int size = 1;
  std::string where;  // "inside each host, over NVLink at 450 GB/s"
  double us = 0;
  double naive_us = 0;
};

// Which rank runs where.
struct Mapping {
  // For each rank the slot (index into Cluster::slots) that it runs on.
  std::vector<int> slot_of_rank;
  // Dimensions as they fill the cluster, the one whose ranks are nearest to each other first.
  std::vector<std::string> order;
  std::vector<DimensionPlacement> dimensions;  // in the layout's order
  // What a step's communication costs by the model: as chosen, and with rank r on slot r.
  double us = 0;
  double naive_us = 0;
  std::string why;
  std::vector<std::string> notes;
};

// Places the ranks of a layout on the first slots of a cluster so that a step's communication is
// cheapest. Every order of the dimensions is tried: the first in it fills the slots of a host, the
// next ones what is left of it and then slots with the same number on other hosts. Calls of one
// dimension run on all its groups at once and are modelled, with a latency and a bandwidth for each
// link (Hockney 1994), as
//
//   all-reduce    inside each host a ring, then between hosts for each card a ring of its own with
//                 its share: 2 (m-1) (a + S/m B) + 2 (k-1) (a' + S/m k B'), k hosts of m ranks;
//                 all-gather is half of it
//   all-to-all    (g-1) a' + the slower one of what stays inside and what leaves the host
//   point to point  a + S/B to the next stage
//
// Orders that cost the same are taken as the layout's own. kInvalidArgument where the layout has
// more ranks than the cluster has slots.
base::Result<Mapping> MapRanks(const Cluster& cluster, const Layout& layout);

// The document "Rank mapping" of docs/formats/topology.md.
base::Json ToJson(const Mapping& mapping, const Cluster& cluster, const Layout& layout);

// For people: what was chosen, why, what it costs, and where each rank runs (up to 64 hosts).
std::string RenderMapping(const Mapping& mapping, const Cluster& cluster);

}  // namespace regatta::topology

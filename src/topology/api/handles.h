#pragma once

#include <memory>
#include <string>

#include "regatta/eccl_topo.h"
#include "topology/cluster.h"
#include "topology/layout.h"
#include "topology/mapping.h"
#include "topology/topology.h"

namespace regatta::topology {

// What an eccl_topo_mapping_t stands for; never changed after it was made.
struct PlacedLayout {
  Layout layout;
  Cluster cluster;
  Mapping mapping;
  std::string order;  // "tp,pp,dp"
};

std::shared_ptr<const Topology> FindTopology(eccl_topo_t handle);
std::shared_ptr<const Topology> TakeTopology(eccl_topo_t handle);
eccl_topo_t PutTopology(Topology topology);

std::shared_ptr<const PlacedLayout> FindMapping(eccl_topo_mapping_t handle);
std::shared_ptr<const PlacedLayout> TakeMapping(eccl_topo_mapping_t handle);
eccl_topo_mapping_t PutMapping(PlacedLayout mapping);

}  // namespace regatta::topology

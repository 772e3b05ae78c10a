#include "topology/api/handles.h"

#include "base/handle_table.h"

namespace regatta::topology {
namespace {

// Never destroyed: other threads may be inside at exit.
auto& Topologies() {
  static auto& table = *new base::HandleTable<eccl_topo_t, const Topology>;
  return table;
}
auto& Mappings() {
  static auto& table = *new base::HandleTable<eccl_topo_mapping_t, const PlacedLayout>;
  return table;
}

}  // namespace

std::shared_ptr<const Topology> FindTopology(eccl_topo_t handle) {
  return Topologies().Find(handle);
}
std::shared_ptr<const Topology> TakeTopology(eccl_topo_t handle) {
  return Topologies().Take(handle);
}
eccl_topo_t PutTopology(Topology topology) {
  return Topologies().Put(std::make_shared<const Topology>(std::move(topology)));
}

std::shared_ptr<const PlacedLayout> FindMapping(eccl_topo_mapping_t handle) {
  return Mappings().Find(handle);
}
std::shared_ptr<const PlacedLayout> TakeMapping(eccl_topo_mapping_t handle) {
  return Mappings().Take(handle);
}
eccl_topo_mapping_t PutMapping(PlacedLayout mapping) {
  return Mappings().Put(std::make_shared<const PlacedLayout>(std::move(mapping)));
}

}  // namespace regatta::topology

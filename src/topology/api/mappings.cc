// Which rank runs where.
#include "topology/api/guard.h"

namespace regatta::topology {
namespace {

using base::Status;

eccl_topo_result_t Map(eccl_topo_t topo, const base::Result<Layout>& layout,
                       const eccl_topo_map_config_t* config, eccl_topo_mapping_t* mapping) {
  return WithTopology(topo, [&](const Topology& topology) -> Status {
    if (mapping == nullptr) return IsNull("mapping");
    *mapping = nullptr;
    BASE_RETURN_IF_ERROR(layout.status());
    eccl_topo_map_config_t chosen = {};
    if (config != nullptr) {
      if (config->size < sizeof config->size) return Invalid("config->size is not set");
      std::memcpy(&chosen, config, std::min(config->size, sizeof chosen));
    }
    PlacedLayout placed{.layout = *layout};
    BASE_ASSIGN_OR_RETURN(placed.cluster, ClusterFrom(topology, {.copies = chosen.copies,
                                                                 .ranks = WorldSize(*layout),
                                                                 .devices = chosen.devices}));
    BASE_ASSIGN_OR_RETURN(placed.mapping, MapRanks(placed.cluster, placed.layout));
    for (const std::string& name : placed.mapping.order) {
      placed.order += (placed.order.empty() ? "" : ",") + name;
    }
    *mapping = PutMapping(std::move(placed));
    return {};
  });
}

base::Result<Layout> LayoutOf(const eccl_topo_dimension_t* dimensions, int count) {
  if (dimensions == nullptr) return IsNull("dimensions");
  if (count < 1 || count > 64)
    return Invalid("count is " + std::to_string(count) + ", not 1 to 64");
  Layout layout;
  for (int i = 0; i < count; ++i) {
    const eccl_topo_dimension_t& one = dimensions[i];
    const std::string where = "dimensions[" + std::to_string(i) + "]";
    if (one.name == nullptr) return IsNull((where + ".name").c_str());
    if (one.pattern < ECCL_TOPO_ALL_REDUCE || one.pattern > ECCL_TOPO_POINT_TO_POINT) {
      return Invalid(where + ".pattern is " + std::to_string(one.pattern) + "; they are 0 to 3");
    }
    layout.push_back(
        {one.name, one.ranks, static_cast<Pattern>(one.pattern), one.bytes, one.calls});
  }
  BASE_RETURN_IF_ERROR(CheckLayout(layout));
  return layout;
}

}  // namespace
}  // namespace regatta::topology

using namespace regatta::topology;  // NOLINT(google-build-using-namespace): the entry points follow

extern "C" {

eccl_topo_result_t eccl_topo_map(eccl_topo_t topo, const char* layout,
                                 const eccl_topo_map_config_t* config,
                                 eccl_topo_mapping_t* mapping) {
  return Map(
      topo,
      layout == nullptr ? regatta::base::Result<Layout>(IsNull("layout")) : ParseLayout(layout),
      config, mapping);
}

eccl_topo_result_t eccl_topo_map_dimensions(eccl_topo_t topo,
                                            const eccl_topo_dimension_t* dimensions, int count,
                                            const eccl_topo_map_config_t* config,
                                            eccl_topo_mapping_t* mapping) {
  return Map(topo, LayoutOf(dimensions, count), config, mapping);
}

eccl_topo_result_t eccl_topo_mapping_info(eccl_topo_mapping_t mapping,
                                          eccl_topo_mapping_info_t* info) {
  return WithMapping(mapping, [&](const PlacedLayout& placed) -> Status {
    return Fill({.size = sizeof(eccl_topo_mapping_info_t),
                 .ranks = static_cast<int>(placed.mapping.slot_of_rank.size()),
                 .dimensions = static_cast<int>(placed.mapping.dimensions.size()),
                 .cost_us = placed.mapping.us,
                 .naive_cost_us = placed.mapping.naive_us,
                 .order = placed.order.c_str(),
                 .why = placed.mapping.why.c_str()},
                "info", info);
  });
}

eccl_topo_result_t eccl_topo_mapping_place(eccl_topo_mapping_t mapping, int rank,
                                           eccl_topo_place_t* place) {
  return WithMapping(mapping, [&](const PlacedLayout& placed) -> Status {
    const auto& slots = placed.mapping.slot_of_rank;
    if (rank < 0 || static_cast<std::size_t>(rank) >= slots.size()) {
      return Invalid("rank is " + std::to_string(rank) + "; ranks are from 0 to " +
                     std::to_string(slots.size() - 1));
    }
    const int number = slots[static_cast<std::size_t>(rank)];
    const Slot& slot = placed.cluster.slots[static_cast<std::size_t>(number)];
    return Fill(
        {.size = sizeof(eccl_topo_place_t),
         .host = slot.host,
         .host_name = placed.cluster.hosts[static_cast<std::size_t>(slot.host)].name.c_str(),
         .device = slot.device,
         .slot = number,
         .rail = slot.rail},
        "place", place);
  });
}

eccl_topo_result_t eccl_topo_mapping_dimension(eccl_topo_mapping_t mapping, int n,
                                               eccl_topo_dimension_cost_t* dimension) {
  return WithMapping(mapping, [&](const PlacedLayout& placed) -> Status {
    const auto& all = placed.mapping.dimensions;
    if (n < 0 || static_cast<std::size_t>(n) >= all.size()) {
      return Invalid("n is " + std::to_string(n) + "; there are " + std::to_string(all.size()) +
                     " dimensions");
    }
    const DimensionPlacement& one = all[static_cast<std::size_t>(n)];
    return Fill({.size = sizeof(eccl_topo_dimension_cost_t),
                 .name = one.name.c_str(),
                 .ranks = one.size,
                 .where = one.where.c_str(),
                 .cost_us = one.us,
                 .naive_cost_us = one.naive_us},
                "dimension", dimension);
  });
}

eccl_topo_result_t eccl_topo_mapping_export(eccl_topo_mapping_t mapping, eccl_topo_format_t format,
                                            char** text, size_t* length) {
  return WithMapping(mapping, [&](const PlacedLayout& placed) -> Status {
    if (text == nullptr) return IsNull("text");
    if (format == ECCL_TOPO_FORMAT_JSON) {
      return GiveText(
          regatta::base::DumpJson(ToJson(placed.mapping, placed.cluster, placed.layout)), text,
          length);
    }
    if (format == ECCL_TOPO_FORMAT_TEXT) {
      return GiveText(RenderMapping(placed.mapping, placed.cluster), text, length);
    }
    return Invalid("format " + std::to_string(format) +
                   " is none of a mapping's; JSON and TEXT are");
  });
}

eccl_topo_result_t eccl_topo_mapping_destroy(eccl_topo_mapping_t mapping) {
  return Guarded([&]() -> Status {
    if (TakeMapping(mapping) != nullptr) return {};
    return Invalid("mapping is no mapping: it was never made, or it was destroyed");
  });
}

}  // extern "C"

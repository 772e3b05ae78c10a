// Questions about parts and pairs of them.
#include "topology/api/guard.h"

namespace regatta::topology {
namespace {

using base::Status;

Status CheckId(const Topology& topology, const char* name, int id) {
  const auto count = static_cast<int>(topology.parts.size());
  if (id >= 0 && id < count) return {};
  return Invalid(std::string(name) + " is " + std::to_string(id) + "; parts have ids from 0 to " +
                 std::to_string(count - 1));
}

Status CheckHost(const Topology& topology, int host) {
  if (host == -1) return {};
  BASE_RETURN_IF_ERROR(CheckId(topology, "host", host));
  if (topology.parts[host].kind == PartKind::kHost) return {};
  return Invalid("host is " + std::to_string(host) + ", which is a " +
                 Name(topology.parts[host].kind));
}

Status CheckKind(eccl_topo_kind_t kind) {
  if (kind >= ECCL_TOPO_HOST && kind <= ECCL_TOPO_SWITCH) return {};
  return Invalid("kind is " + std::to_string(kind) + "; kinds are from 0 to 9");
}

const char* Extra(const Part& part, const char* name) {
  const auto found = part.extra.find(name);
  return found == part.extra.end() ? "" : found->second.c_str();
}

eccl_topo_part_t Describe(const Topology& topology, int id) {
  const Part& part = topology.parts[id];
  const int numa = topology.Above(id, PartKind::kNuma);
  return {.size = sizeof(eccl_topo_part_t),
          .id = id,
          .kind = static_cast<eccl_topo_kind_t>(part.kind),
          .parent = part.parent,
          .host = topology.Above(id, PartKind::kHost),
          .index = part.index,
          .numa = numa < 0 ? -1 : topology.parts[numa].index,
          .rail = part.rail,
          .compute_version = part.compute_version,
          .cores = part.cores,
          .threads = part.threads,
          .bytes = part.bytes,
          .gigabytes_per_second = part.gigabytes_per_second,
          .name = part.name.c_str(),
          .vendor = part.vendor.c_str(),
          .model = part.model.c_str(),
          .bus_id = part.bus_id.c_str(),
          .cpus = part.cpus.c_str(),
          .interface = Extra(part, "interface")};
}

Status GiveIds(const std::vector<int>& found, int* ids, int capacity, int* count) {
  if (count == nullptr) return IsNull("count");
  if (capacity < 0) return Invalid("capacity is " + std::to_string(capacity));
  if (ids == nullptr && capacity > 0) return IsNull("ids");
  *count = static_cast<int>(found.size());
  std::copy_n(found.begin(), std::min(*count, capacity), ids);
  return {};
}

std::vector<int> RailNics(const Topology& topology, int rail) {
  std::vector<int> nics = topology.All(PartKind::kNic);
  std::erase_if(nics, [&](int nic) { return topology.parts[nic].rail != rail; });
  return nics;
}

}  // namespace
}  // namespace regatta::topology

using namespace regatta::topology;  // NOLINT(google-build-using-namespace): the entry points follow

extern "C" {

eccl_topo_result_t eccl_topo_count(eccl_topo_t topo, eccl_topo_kind_t kind, int* count) {
  return eccl_topo_list(topo, kind, -1, nullptr, 0, count);
}

eccl_topo_result_t eccl_topo_list(eccl_topo_t topo, eccl_topo_kind_t kind, int host, int* ids,
                                  int capacity, int* count) {
  return WithTopology(topo, [&](const Topology& topology) -> Status {
    BASE_RETURN_IF_ERROR(CheckKind(kind));
    BASE_RETURN_IF_ERROR(CheckHost(topology, host));
    std::vector<int> found = topology.All(static_cast<PartKind>(kind));
    if (host >= 0) {
      std::erase_if(found, [&](int part) { return topology.Above(part, PartKind::kHost) != host; });
    }
    return GiveIds(found, ids, capacity, count);
  });
}

eccl_topo_result_t eccl_topo_part(eccl_topo_t topo, int id, eccl_topo_part_t* part) {
  return WithTopology(topo, [&](const Topology& topology) -> Status {
    BASE_RETURN_IF_ERROR(CheckId(topology, "id", id));
    return Fill(Describe(topology, id), "part", part);
  });
}

eccl_topo_result_t eccl_topo_find_bus_id(eccl_topo_t topo, const char* bus_id, int host, int* id) {
  return WithTopology(topo, [&](const Topology& topology) -> Status {
    if (bus_id == nullptr) return IsNull("bus_id");
    if (id == nullptr) return IsNull("id");
    BASE_RETURN_IF_ERROR(CheckHost(topology, host));
    if (NormalBusId(bus_id).empty()) {
      return Invalid("bus_id \"" + std::string(bus_id) +
                     "\" is no PCI address; it is written as 0000:3b:00.0");
    }
    const int found = topology.FindBusId(bus_id, host);
    if (found < 0) {
      return Status(regatta::base::Code::kNotFound,
                    "no part has the PCI address " + NormalBusId(bus_id));
    }
    *id = found;
    return {};
  });
}

eccl_topo_result_t eccl_topo_note_count(eccl_topo_t topo, int* count) {
  return WithTopology(topo, [&](const Topology& topology) -> Status {
    if (count == nullptr) return IsNull("count");
    *count = static_cast<int>(topology.notes.size());
    return {};
  });
}

eccl_topo_result_t eccl_topo_note(eccl_topo_t topo, int n, const char** note) {
  return WithTopology(topo, [&](const Topology& topology) -> Status {
    if (note == nullptr) return IsNull("note");
    if (n < 0 || static_cast<std::size_t>(n) >= topology.notes.size()) {
      return Invalid("n is " + std::to_string(n) + "; there are " +
                     std::to_string(topology.notes.size()) + " notes");
    }
    *note = topology.notes[static_cast<std::size_t>(n)].c_str();
    return {};
  });
}

eccl_topo_result_t eccl_topo_pair(eccl_topo_t topo, int a, int b, eccl_topo_pair_t* pair) {
  return WithTopology(topo, [&](const Topology& topology) -> Status {
    BASE_RETURN_IF_ERROR(CheckId(topology, "a", a));
    BASE_RETURN_IF_ERROR(CheckId(topology, "b", b));
    return Fill({.size = sizeof(eccl_topo_pair_t),
                 .distance = static_cast<eccl_topo_distance_t>(DistanceBetween(topology, a, b)),
                 .gigabytes_per_second = BandwidthBetween(topology, a, b),
                 .latency_us = LatencyBetween(topology, a, b)},
                "pair", pair);
  });
}

const char* eccl_topo_distance_name(eccl_topo_distance_t distance) {
  const bool known = distance >= ECCL_TOPO_LOC && distance <= ECCL_TOPO_NET;
  return known ? Name(static_cast<Distance>(distance)) : "?";
}

eccl_topo_result_t eccl_topo_nearest_nic(eccl_topo_t topo, int id, int* nic) {
  return WithTopology(topo, [&](const Topology& topology) -> Status {
    BASE_RETURN_IF_ERROR(CheckId(topology, "id", id));
    if (nic == nullptr) return IsNull("nic");
    const int found = NearestNic(topology, id);
    if (found < 0) {
      return Status(regatta::base::Code::kNotFound, "the host of part " + std::to_string(id) +
                                                        " (\"" + topology.parts[id].name +
                                                        "\") has no NIC");
    }
    *nic = found;
    return {};
  });
}

eccl_topo_result_t eccl_topo_rail_count(eccl_topo_t topo, int* count) {
  return WithTopology(topo, [&](const Topology& topology) -> Status {
    if (count == nullptr) return IsNull("count");
    int rails = 0;
    for (const int nic : topology.All(PartKind::kNic)) {
      rails = std::max(rails, topology.parts[nic].rail + 1);
    }
    *count = rails;
    return {};
  });
}

eccl_topo_result_t eccl_topo_rail_nics(eccl_topo_t topo, int rail, int* ids, int capacity,
                                       int* count) {
  return WithTopology(topo, [&](const Topology& topology) -> Status {
    if (rail < 0) return Invalid("rail is " + std::to_string(rail) + "; rails count from 0");
    return GiveIds(RailNics(topology, rail), ids, capacity, count);
  });
}

}  // extern "C"

#include <algorithm>
#include <map>

#include "topology/topology.h"

namespace regatta::topology {
namespace {

std::vector<int> OnHost(const Topology& topology, PartKind kind, int host) {
  std::vector<int> parts = topology.All(kind);
  std::erase_if(parts, [&](int part) { return topology.Above(part, PartKind::kHost) != host; });
  return parts;
}

}  // namespace

std::vector<int> RankNics(const Topology& topology, int host) {
  std::vector<int> nics = OnHost(topology, PartKind::kNic, host);
  const auto on_rail = [&](int nic) { return topology.parts[nic].rail >= 0; };
  if (std::any_of(nics.begin(), nics.end(), on_rail)) {
    std::erase_if(nics, [&](int nic) { return !on_rail(nic); });
  }
  return nics;
}

std::vector<int> NearestNics(const Topology& topology, const std::vector<int>& devices) {
  std::map<int, std::vector<int>> nics_of;  // by host
  std::map<int, int> users;
  std::vector<int> nearest;
  for (const int device : devices) {
    const int host = topology.Above(device, PartKind::kHost);
    const auto [entry, fresh] = nics_of.try_emplace(host);
    if (fresh && host >= 0) entry->second = RankNics(topology, host);
    const std::vector<int>& nics = entry->second;
    if (nics.empty()) {
      nearest.push_back(-1);
      continue;
    }
    const auto rank = [&](int nic) {
      return std::pair(DistanceBetween(topology, device, nic), users[nic]);
    };
    const int nic = *std::min_element(nics.begin(), nics.end(),
                                      [&](int a, int b) { return rank(a) < rank(b); });
    ++users[nic];
    nearest.push_back(nic);
  }
  return nearest;
}

int NearestNic(const Topology& topology, int part) {
  if (topology.parts[part].kind == PartKind::kNic) return part;
  const int host = topology.Above(part, PartKind::kHost);
  if (host < 0) return -1;
  if (topology.parts[part].kind != PartKind::kAccelerator) {
    return NearestNics(topology, {part}).front();
  }
  // Accelerators at one switch share its NICs, so what the others use counts.
  const std::vector<int> devices = OnHost(topology, PartKind::kAccelerator, host);
  const auto place = std::find(devices.begin(), devices.end(), part) - devices.begin();
  return NearestNics(topology, devices)[static_cast<std::size_t>(place)];
}

}  // namespace regatta::topology

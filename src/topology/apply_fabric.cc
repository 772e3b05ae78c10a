#include <algorithm>
#include <map>

#include "topology/fabric.h"

namespace regatta::topology {
namespace {

// Parts that go leave numbers behind that are not dense any more.
void DropNetworkSwitches(Topology* topology) {
  std::vector<bool> gone(topology->parts.size());
  for (const Link& link : topology->links) {
    if (link.kind != LinkKind::kNetwork) continue;
    for (const int end : {link.a, link.b}) {
      gone[static_cast<std::size_t>(end)] = topology->parts[end].kind == PartKind::kSwitch;
    }
  }
  std::vector<int> place(gone.size(), -1);
  std::vector<Part> kept;
  for (std::size_t i = 0; i < gone.size(); ++i) {
    if (gone[i]) continue;
    place[i] = static_cast<int>(kept.size());
    kept.push_back(std::move(topology->parts[i]));
    if (kept.back().parent >= 0) kept.back().parent = place[kept.back().parent];
  }
  topology->parts = std::move(kept);
  std::erase_if(topology->links,
                [&](const Link& link) { return place[link.a] < 0 || place[link.b] < 0; });
  for (Link& link : topology->links) {
    link.a = place[link.a];
    link.b = place[link.b];
  }
}

// The distance of ports that share a switch: the nearest one between hosts.
const DistanceClass* NearestBetweenHosts(const Fabric& fabric) {
  const auto found = std::find_if(fabric.classes.begin(), fabric.classes.end(),
                                  [](const DistanceClass& one) { return !one.same_host; });
  return found == fabric.classes.end() ? nullptr : &*found;
}

}  // namespace

void ApplyFabric(const Fabric& fabric, const std::vector<int>& parts, Topology* topology) {
  std::vector<int> rail_of_switch(static_cast<std::size_t>(fabric.switches), -1);
  for (const int nic : topology->All(PartKind::kNic)) topology->parts[nic].rail = -1;
  for (std::size_t port = 0; port < parts.size(); ++port) {
    topology->parts[parts[port]].rail = fabric.rail_of[port];
    if (fabric.switch_of[port] >= 0) {
      rail_of_switch[static_cast<std::size_t>(fabric.switch_of[port])] = fabric.rail_of[port];
    }
  }
  // NICs come before switches, so their numbers stay.
  DropNetworkSwitches(topology);
  const DistanceClass* near = NearestBetweenHosts(fabric);
  if (fabric.switches == 0 || near == nullptr) return;
  const int first = static_cast<int>(topology->parts.size());
  for (int i = 0; i < fabric.switches; ++i) {
    topology->Add({.kind = PartKind::kSwitch,
                   .name = "network switch " + std::to_string(i),
                   .index = i,
                   .rail = rail_of_switch[static_cast<std::size_t>(i)],
                   .gigabytes_per_second = near->gigabytes_per_second});
  }
  for (std::size_t port = 0; port < parts.size(); ++port) {
    topology->links.push_back({.a = parts[port],
                               .b = first + fabric.switch_of[port],
                               .kind = LinkKind::kNetwork,
                               .gigabytes_per_second = near->gigabytes_per_second,
                               .latency_us = near->latency_us / 2,
                               .measured = true});
  }
}

}  // namespace regatta::topology

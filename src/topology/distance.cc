#include <algorithm>
#include <limits>
#include <optional>

#include "topology/topology.h"

namespace regatta::topology {
namespace {

bool OnPcie(PartKind kind) {
  return kind == PartKind::kBridge || kind == PartKind::kHostBridge || kind == PartKind::kNic ||
         kind == PartKind::kAccelerator;
}

int DepthOf(const Topology& topology, int part) {
  int depth = 0;
  for (; topology.parts[part].parent >= 0; part = topology.parts[part].parent) ++depth;
  return depth;
}

// The lowest part at or above both; -1 on different hosts.
int CommonAncestor(const Topology& topology, int a, int b) {
  int depth_a = DepthOf(topology, a);
  int depth_b = DepthOf(topology, b);
  for (; depth_a > depth_b; --depth_a) a = topology.parts[a].parent;
  for (; depth_b > depth_a; --depth_b) b = topology.parts[b].parent;
  while (a != b && a >= 0) {
    a = topology.parts[a].parent;
    b = topology.parts[b].parent;
  }
  return a == b ? a : -1;
}

// PCIe switches from `part` up to and without `top`.
int BridgesBelow(const Topology& topology, int part, int top) {
  int count = 0;
  for (int up = part; up >= 0 && up != top; up = topology.parts[up].parent) {
    if (topology.parts[up].kind == PartKind::kBridge) ++count;
  }
  return count;
}

bool JoinsSwitch(const Topology& topology, const Link& link) {
  return topology.parts[link.a].kind == PartKind::kSwitch ||
         topology.parts[link.b].kind == PartKind::kSwitch;
}

// NVLink's bandwidth between two parts, directly or through one switch. Negative: there is none.
double NvlinkBetween(const Topology& topology, int a, int b) {
  double direct = -1;
  for (const Link& link : topology.links) {
    if (link.kind != LinkKind::kNvlink) continue;
    if ((link.a == a && link.b == b) || (link.a == b && link.b == a)) {
      direct = std::max(direct, 0.0) + link.gigabytes_per_second;
    }
  }
  if (direct >= 0) return direct;
  // Through switches: all of them together.
  double through = -1;
  for (const Link& one : topology.links) {
    if (one.kind != LinkKind::kNvlink || (one.a != a && one.b != a)) continue;
    const int hub = one.a == a ? one.b : one.a;
    if (!JoinsSwitch(topology, one)) continue;
    for (const Link& other : topology.links) {
      if (other.kind != LinkKind::kNvlink) continue;
      if ((other.a == b && other.b == hub) || (other.a == hub && other.b == b)) {
        through =
            std::max(through, 0.0) + std::min(one.gigabytes_per_second, other.gigabytes_per_second);
      }
    }
  }
  return through;
}

// The narrowest known PCIe link from `part` up to `top`; infinity when none is known.
double NarrowestUp(const Topology& topology, int part, int top) {
  double narrowest = std::numeric_limits<double>::infinity();
  for (int up = part; up >= 0 && up != top; up = topology.parts[up].parent) {
    for (const Link& link : topology.links) {
      if (link.kind != LinkKind::kPcie || link.gigabytes_per_second <= 0) continue;
      const int above = topology.parts[up].parent;
      if ((link.a == up && link.b == above) || (link.b == up && link.a == above)) {
        narrowest = std::min(narrowest, link.gigabytes_per_second);
      }
    }
  }
  return narrowest;
}

const Link* MeasuredBetween(const Topology& topology, int a, int b) {
  for (const Link& link : topology.links) {
    if (!link.measured) continue;
    if ((link.a == a && link.b == b) || (link.a == b && link.b == a)) return &link;
  }
  return nullptr;
}

struct Way {
  double latency_us = 0;
  double gigabytes_per_second = 0;  // 0: unknown
};

// From one NIC to another over a network switch that both were measured to be at.
std::optional<Way> OverSwitch(const Topology& topology, int a, int b) {
  for (const Link& one : topology.links) {
    if (!one.measured || one.kind != LinkKind::kNetwork || (one.a != a && one.b != a)) continue;
    const int hub = one.a == a ? one.b : one.a;
    if (topology.parts[hub].kind != PartKind::kSwitch) continue;
    const Link* other = MeasuredBetween(topology, hub, b);
    if (other == nullptr) continue;
    return Way{one.latency_us + other->latency_us,
               std::min(one.gigabytes_per_second, other->gigabytes_per_second)};
  }
  return std::nullopt;
}

}  // namespace

Distance DistanceBetween(const Topology& topology, int a, int b) {
  if (a == b) return Distance::kLoc;
  if (NvlinkBetween(topology, a, b) >= 0) return Distance::kNvl;
  const int top = CommonAncestor(topology, a, b);
  if (top < 0) return Distance::kNet;
  const PartKind kind = topology.parts[top].kind;
  if (kind == PartKind::kHostBridge) return Distance::kPhb;
  if (OnPcie(kind)) {
    // A device's own functions and a bridge and what hangs on it share one switch.
    const int bridges = BridgesBelow(topology, a, top) + BridgesBelow(topology, b, top) +
                        (kind == PartKind::kBridge ? 1 : 0);
    return bridges <= 1 ? Distance::kPix : Distance::kPxb;
  }
  // A NUMA node may be inside a socket or the other way round.
  const int numa_a = topology.Above(a, PartKind::kNuma);
  const int numa_b = topology.Above(b, PartKind::kNuma);
  bool same = numa_a >= 0 && numa_a == numa_b;
  // What hangs on a whole socket or host is near all of it, where that has one NUMA node at most.
  if (!same && (numa_a < 0 || numa_b < 0)) {
    int below = 0;
    for (const int numa : topology.All(PartKind::kNuma)) {
      if (CommonAncestor(topology, numa, top) == top) ++below;
    }
    same = below <= 1;
  }
  if (!same) return Distance::kSys;
  const bool device_a = OnPcie(topology.parts[a].kind);
  const bool device_b = OnPcie(topology.parts[b].kind);
  return device_a != device_b ? Distance::kPhb : Distance::kNode;
}

double BandwidthBetween(const Topology& topology, int a, int b) {
  const double nvlink = NvlinkBetween(topology, a, b);
  if (nvlink >= 0) return nvlink;
  if (const Link* measured = MeasuredBetween(topology, a, b)) return measured->gigabytes_per_second;
  const int top = a == b ? a : CommonAncestor(topology, a, b);
  double narrowest = std::min(NarrowestUp(topology, a, top), NarrowestUp(topology, b, top));
  for (const int end : {a, b}) {
    const double port = topology.parts[end].gigabytes_per_second;
    if (port > 0) narrowest = std::min(narrowest, port);
  }
  if (top < 0) {
    const int nic_a = NearestNic(topology, a);
    const int nic_b = NearestNic(topology, b);
    if (nic_a >= 0 && nic_b >= 0 && (nic_a != a || nic_b != b)) {
      for (const double part : {nic_a == a ? 0 : BandwidthBetween(topology, a, nic_a),
                                BandwidthBetween(topology, nic_a, nic_b),
                                nic_b == b ? 0 : BandwidthBetween(topology, nic_b, b)}) {
        if (part > 0) narrowest = std::min(narrowest, part);
      }
    } else if (const auto way = OverSwitch(topology, a, b); way && way->gigabytes_per_second > 0) {
      narrowest = std::min(narrowest, way->gigabytes_per_second);
    }
  }
  return narrowest == std::numeric_limits<double>::infinity() ? 0.0 : narrowest;
}

double LatencyBetween(const Topology& topology, int a, int b) {
  if (const Link* measured = MeasuredBetween(topology, a, b)) return measured->latency_us;
  if (CommonAncestor(topology, a, b) >= 0) return 0;
  if (const auto way = OverSwitch(topology, a, b)) return way->latency_us;
  const int nic_a = NearestNic(topology, a);
  const int nic_b = NearestNic(topology, b);
  const bool farther = nic_a >= 0 && nic_b >= 0 && (nic_a != a || nic_b != b);
  return farther ? LatencyBetween(topology, nic_a, nic_b) : 0;
}

}  // namespace regatta::topology

#include "topology/cluster.h"

#include <algorithm>
#include <map>
#include <set>

#include "topology/clusters.h"

namespace regatta::topology {
namespace {

// Where nothing is known: a PCIe 4.0 link of 16 lanes as copies between devices reach it, and
// Ethernet of 100 Gbit/s.
constexpr double kUnknownInside = 20;
constexpr double kUnknownNetwork = 12.5;
constexpr int kMostDevices = 1024;
constexpr std::int64_t kMostSlots = 1 << 20;

std::vector<int> OnHost(const Topology& topology, PartKind kind, int host) {
  std::vector<int> parts = topology.All(kind);
  std::erase_if(parts, [&](int part) { return topology.Above(part, PartKind::kHost) != host; });
  return parts;
}

double InsideLatency(Distance distance) {
  switch (distance) {
    case Distance::kNvl:
      return 2;
    case Distance::kPix:
    case Distance::kPxb:
      return 4;
    default:
      return 6;
  }
}

class Builder {
 public:
  Builder(const Topology& topology, const ClusterOptions& options)
      : topology_(topology), options_(options) {
    cluster_.network = options.network;
  }

  base::Result<Cluster> Build() {
    std::vector<int> hosts = topology_.All(PartKind::kHost);
    const std::vector<int> pods = Pods();
    std::stable_sort(hosts.begin(), hosts.end(), [&](int a, int b) { return pods[a] < pods[b]; });
    for (const int host : hosts) BASE_RETURN_IF_ERROR(AddHost(host, pods[host]));
    for (const std::string& note : notes_) cluster_.notes.push_back(note);
    return std::move(cluster_);
  }

 private:
  // For each part a number that hosts share which a chain of network switches joins; the same for
  // all where no switch is known.
  std::vector<int> Pods() const {
    std::vector<Tie> ties;
    for (const Link& link : topology_.links) {
      if (link.kind != LinkKind::kNetwork) continue;
      for (const auto& [nic, hub] : {std::pair(link.a, link.b), std::pair(link.b, link.a)}) {
        const int host = topology_.Above(nic, PartKind::kHost);
        if (host >= 0 && topology_.parts[hub].kind == PartKind::kSwitch)
          ties.push_back({host, hub, 1});
      }
    }
    const int parts = static_cast<int>(topology_.parts.size());
    return ties.empty() ? std::vector<int>(parts) : FindClusters(parts, ties, 0).of;
  }

  base::Status AddHost(int host, int pod) {
    std::vector<int> devices;
    if (options_.devices == 0) devices = OnHost(topology_, PartKind::kAccelerator, host);
    const int count = options_.devices > 0 ? options_.devices : static_cast<int>(devices.size());
    const std::string& name = topology_.parts[host].name;
    if (count == 0) {
      return base::Status(base::Code::kFailedPrecondition,
                          "host \"" + name +
                              "\" has no accelerator; say how many ranks it is to "
                              "run (--devices), or describe a machine that has some");
    }
    const int shape = static_cast<int>(cluster_.inside.size());
    cluster_.inside.push_back(Inside(devices, count));
    const std::vector<int> nics = NicOf(host, devices, count);
    for (int copy = 0; copy < options_.copies; ++copy) {
      const int first = static_cast<int>(cluster_.slots.size());
      const std::string suffix = options_.copies > 1 ? "-" + std::to_string(copy) : "";
      cluster_.hosts.push_back({name + suffix, first, count, shape});
      for (int number = 0; number < count; ++number) {
        cluster_.slots.push_back(MakeSlot(devices, nics, number));
        cluster_.slots.back().pod = pod;
      }
    }
    return {};
  }

  std::vector<LinkCost> Inside(const std::vector<int>& devices, int count) {
    std::vector<LinkCost> costs;
    for (int a = 0; a < count; ++a) {
      for (int b = 0; b < count; ++b) {
        LinkCost cost{.latency_us = InsideLatency(Distance::kNode), .distance = Distance::kNode};
        if (!devices.empty()) {
          const int part_a = devices[static_cast<std::size_t>(a)];
          const int part_b = devices[static_cast<std::size_t>(b)];
          cost.distance = DistanceBetween(topology_, part_a, part_b);
          cost.latency_us = InsideLatency(cost.distance);
          cost.gigabytes_per_second = BandwidthBetween(topology_, part_a, part_b);
        }
        if (cost.gigabytes_per_second <= 0) {
          cost.gigabytes_per_second = kUnknownInside;
          if (a != b) notes_.insert("inside hosts 20 GB/s are assumed where nothing is known");
        }
        costs.push_back(cost);
      }
    }
    return costs;
  }

  // The nearest one of each device; ranks without one take turns.
  std::vector<int> NicOf(int host, const std::vector<int>& devices, int count) {
    std::vector<int> nearest = NearestNics(topology_, devices);
    if (const std::vector<int> nics = RankNics(topology_, host); nics.empty()) {
      nearest.clear();
    } else if (devices.empty()) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        nearest.push_back(nics[i % nics.size()]);
      }
    }
    users_.clear();
    for (const int nic : nearest) ++users_[nic];
    return nearest;
  }

  Slot MakeSlot(const std::vector<int>& devices, const std::vector<int>& nics, int number) {
    Slot slot{.host = static_cast<int>(cluster_.hosts.size()) - 1, .number = number};
    const auto at = static_cast<std::size_t>(number);
    slot.device = devices.empty() ? number : topology_.parts[devices[at]].index;
    if (slot.device < 0) slot.device = number;
    double speed = 0;
    int users = 1;
    if (!nics.empty()) {
      slot.rail = topology_.parts[nics[at]].rail;
      speed = topology_.parts[nics[at]].gigabytes_per_second;
      users = users_[nics[at]];
      const double path = devices.empty() ? 0 : BandwidthBetween(topology_, devices[at], nics[at]);
      if (path > 0) speed = speed > 0 ? std::min(speed, path) : 0;
    }
    if (speed <= 0) {
      speed = kUnknownNetwork;
      notes_.insert("NICs of 12.5 GB/s (100 Gbit/s) are assumed where nothing is known");
    }
    slot.network_gigabytes_per_second = speed / users;
    return slot;
  }

  const Topology& topology_;
  const ClusterOptions& options_;
  Cluster cluster_;
  std::map<int, int> users_;  // devices that share each NIC of the host that is being added
  std::set<std::string> notes_;
};

}  // namespace

LinkCost Cluster::Between(int slot_a, int slot_b) const {
  const Slot& a = slots[static_cast<std::size_t>(slot_a)];
  const Slot& b = slots[static_cast<std::size_t>(slot_b)];
  if (a.host == b.host) {
    const Host& host = hosts[static_cast<std::size_t>(a.host)];
    return inside[static_cast<std::size_t>(host.shape)]
                 [static_cast<std::size_t>(a.number) * static_cast<std::size_t>(host.slots) +
                  static_cast<std::size_t>(b.number)];
  }
  LinkCost cost{network.rail_latency_us,
                std::min(a.network_gigabytes_per_second, b.network_gigabytes_per_second)};
  if (a.rail != b.rail) cost.gigabytes_per_second *= network.other_rail_share;
  if (a.pod != b.pod) cost.gigabytes_per_second *= network.other_pod_share;
  if (a.rail != b.rail || a.pod != b.pod) cost.latency_us = network.other_latency_us;
  return cost;
}

base::Result<Cluster> ClusterFrom(const Topology& topology, const ClusterOptions& options) {
  ClusterOptions chosen = options;
  std::int64_t places = 0;
  for (const int host : topology.All(PartKind::kHost)) {
    places +=
        options.devices > 0
            ? options.devices
            : static_cast<std::int64_t>(OnHost(topology, PartKind::kAccelerator, host).size());
  }
  if (options.copies == 0) {
    chosen.copies = 1;
    if (places > 0 && options.ranks > places) {
      chosen.copies = static_cast<int>((options.ranks + places - 1) / places);
    }
  }
  if (chosen.copies < 1 || options.devices < 0 || options.devices > kMostDevices ||
      places > kMostSlots || chosen.copies > kMostSlots / std::max<std::int64_t>(places, 1)) {
    return base::Status(base::Code::kInvalidArgument,
                        "a cluster of " + std::to_string(chosen.copies) + " times " +
                            std::to_string(places) +
                            " cards cannot be: at most 1024 devices a host and 1048576 in all");
  }
  return Builder(topology, chosen).Build();
}

}  // namespace regatta::topology

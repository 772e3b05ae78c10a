#include "topology/mapping.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "topology/text.h"

namespace regatta::topology {
namespace {

// Slots of one group, host by host.
using Group = std::vector<int>;

double TransferUs(double bytes, double gigabytes_per_second) {
  return bytes / (gigabytes_per_second * 1e3);
}

class Model {
 public:
  explicit Model(const Cluster& cluster) : cluster_(cluster) {}

  double CallUs(const Dimension& dimension, const Group& group) const {
    switch (dimension.pattern) {
      case Pattern::kAllReduce:
        return AllReduce(group, dimension.bytes);
      case Pattern::kAllGather:
        return AllReduce(group, dimension.bytes) / 2;
      case Pattern::kAllToAll:
        return AllToAll(group, dimension.bytes);
      default:
        return ToNext(group, dimension.bytes);
    }
  }

  std::vector<Group> ByHost(Group group) const {
    std::sort(group.begin(), group.end());
    std::vector<Group> hosts;
    for (const int slot : group) {
      if (hosts.empty() || HostOf(hosts.back().front()) != HostOf(slot)) hosts.emplace_back();
      hosts.back().push_back(slot);
    }
    return hosts;
  }

 private:
  int HostOf(int slot) const { return cluster_.slots[static_cast<std::size_t>(slot)].host; }

  // One pass of a ring in which each member hands on `bytes`.
  double RingStep(const Group& ring, double bytes) const {
    double slowest = 0;
    for (std::size_t i = 0; i < ring.size(); ++i) {
      const LinkCost link = cluster_.Between(ring[i], ring[(i + 1) % ring.size()]);
      slowest = std::max(slowest, link.latency_us + TransferUs(bytes, link.gigabytes_per_second));
    }
    return slowest;
  }
  double Ring(const Group& ring, double bytes) const {
    const auto size = static_cast<double>(ring.size());
    return ring.size() < 2 ? 0 : 2 * (size - 1) * RingStep(ring, bytes / size);
  }

  double AllReduce(const Group& group, double bytes) const {
    const std::vector<Group> hosts = ByHost(group);
    const std::size_t each = hosts.front().size();
    const bool even = std::all_of(hosts.begin(), hosts.end(),
                                  [&](const Group& host) { return host.size() == each; });
    if (!even) {
      Group ring;
      for (const Group& host : hosts) ring.insert(ring.end(), host.begin(), host.end());
      return Ring(ring, bytes);
    }
    double inside = 0;
    for (const Group& host : hosts) inside = std::max(inside, Ring(host, bytes));
    double between = 0;
    for (std::size_t card = 0; card < each; ++card) {
      Group ring;
      for (const Group& host : hosts) ring.push_back(host[card]);
      between = std::max(between, Ring(ring, bytes / static_cast<double>(each)));
    }
    return inside + between;
  }

  // Pairs of one rank with all others; every rank is like the first one of its host.
  double AllToAll(const Group& group, double bytes) const {
    const double share = bytes / static_cast<double>(group.size());
    double slowest = 0;
    for (const Group& host : ByHost(group)) {
      double latency = 0;
      double inside = 0;
      double outside = 0;
      for (const int peer : group) {
        if (peer == host.front()) continue;
        const LinkCost link = cluster_.Between(host.front(), peer);
        latency += link.latency_us;
        (HostOf(peer) == HostOf(host.front()) ? inside : outside) +=
            TransferUs(share, link.gigabytes_per_second);
      }
      slowest = std::max(slowest, latency + std::max(inside, outside));
    }
    return slowest;
  }

  double ToNext(const Group& group, double bytes) const {
    double slowest = 0;
    for (std::size_t i = 1; i < group.size(); ++i) {
      const LinkCost link = cluster_.Between(group[i - 1], group[i]);
      slowest = std::max(slowest, link.latency_us + TransferUs(bytes, link.gigabytes_per_second));
    }
    return slowest;
  }

  const Cluster& cluster_;
};

// Rank r's place when the dimensions fill the slots in this order.
std::vector<int> Fill(const Layout& layout, const std::vector<std::size_t>& order) {
  std::vector<int> stride(layout.size());
  int next = 1;
  for (const std::size_t dimension : order) {
    stride[dimension] = next;
    next *= layout[dimension].size;
  }
  std::vector<int> slots(static_cast<std::size_t>(next));
  for (int rank = 0; rank < next; ++rank) {
    int rest = rank;
    int slot = 0;
    for (std::size_t i = 0; i < layout.size(); ++i) {
      slot += rest % layout[i].size * stride[i];
      rest /= layout[i].size;
    }
    slots[static_cast<std::size_t>(rank)] = slot;
  }
  return slots;
}

std::vector<Group> GroupsOf(const Layout& layout, std::size_t dimension,
                            const std::vector<int>& slot_of_rank) {
  std::size_t stride = 1;
  for (std::size_t i = 0; i < dimension; ++i) stride *= static_cast<std::size_t>(layout[i].size);
  const auto size = static_cast<std::size_t>(layout[dimension].size);
  std::vector<Group> groups;
  for (std::size_t rank = 0; rank < slot_of_rank.size(); ++rank) {
    if (rank / stride % size != 0) continue;
    Group group;
    for (std::size_t i = 0; i < size; ++i) {
      group.push_back(slot_of_rank[rank + i * stride]);
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

// What one step sends along this dimension; all groups at once.
double StepUs(const Model& model, const Layout& layout, std::size_t dimension,
              const std::vector<int>& slot_of_rank) {
  if (layout[dimension].size < 2) return 0;
  double slowest = 0;
  for (const Group& group : GroupsOf(layout, dimension, slot_of_rank)) {
    slowest = std::max(slowest, model.CallUs(layout[dimension], group));
  }
  return slowest * layout[dimension].calls;
}

std::vector<double> StepUs(const Model& model, const Layout& layout,
                           const std::vector<int>& slot_of_rank) {
  std::vector<double> us;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    us.push_back(StepUs(model, layout, i, slot_of_rank));
  }
  return us;
}

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

const char* InsideWay(Distance distance) {
  switch (distance) {
    case Distance::kNvl:
      return "over NVLink";
    case Distance::kPix:
      return "below one PCIe switch";
    case Distance::kPxb:
      return "over PCIe switches";
    case Distance::kPhb:
      return "over one host bridge";
    case Distance::kNode:
      return "in one NUMA node";
    default:
      return "over several NUMA nodes";
  }
}

// Where the groups of one dimension are, in words: of the group that is spread most.
std::string Where(const Cluster& cluster, const Model& model, const std::vector<Group>& groups) {
  std::size_t hosts = 1;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  std::size_t most = 0;
  bool rails_differ = false;
  bool rails_known = true;
  LinkCost worst{.gigabytes_per_second = std::numeric_limits<double>::infinity(),
                 .distance = Distance::kLoc};
  for (const Group& group : groups) {
    const std::vector<Group> by_host = model.ByHost(group);
    hosts = std::max(hosts, by_host.size());
    for (const Group& host : by_host) {
      least = std::min(least, host.size());
      most = std::max(most, host.size());
      for (std::size_t card = 0; card < host.size(); ++card) {
        const int rail = cluster.slots[static_cast<std::size_t>(host[card])].rail;
        const Group& first = by_host.front();
        rails_known = rails_known && rail >= 0;
        rails_differ = rails_differ || card >= first.size() ||
                       rail != cluster.slots[static_cast<std::size_t>(first[card])].rail;
      }
    }
    for (std::size_t i = 1; i < group.size(); ++i) {
      const LinkCost link = cluster.Between(group[i - 1], group[i]);
      worst.distance = std::max(worst.distance, link.distance);
      worst.gigabytes_per_second = std::min(worst.gigabytes_per_second, link.gigabytes_per_second);
    }
  }
  const std::string speed = " at " + SpeedText(worst.gigabytes_per_second);
  if (hosts == 1) return std::string("inside each host, ") + InsideWay(worst.distance) + speed;
  std::string where =
      std::to_string(most) + " ranks of each of " + std::to_string(hosts) + " hosts";
  if (least == 1 && most == 1) {
    where = (rails_differ ? "cards on different rails of " : "same-number cards of ") +
            std::to_string(hosts) + " hosts";
  } else if (least != most) {
    where = std::to_string(least) + " to " + where;
  }
  if (!rails_differ && rails_known) where += ", each on its rail";
  return where + speed;
}

std::string Why(const Layout& layout, const std::vector<std::string>& order, std::size_t tried,
                double us, double naive_us) {
  std::string text = "cheapest of " + std::to_string(tried) + " orders of the dimensions: ";
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto dimension = std::find_if(layout.begin(), layout.end(),
                                        [&](const Dimension& one) { return one.name == order[i]; });
    if (i > 0) text += i + 1 == order.size() ? ", outermost " : ", then ";
    text += order[i] + " (" +
            BytesText(static_cast<std::int64_t>(dimension->bytes * dimension->calls)) + " a step)";
  }
  if (naive_us <= us * 1.001) return text + "; ranks in their own order cost the same";
  return text;
}

}  // namespace

base::Result<Mapping> MapRanks(const Cluster& cluster, const Layout& layout) {
  const int world = WorldSize(layout);
  if (world > static_cast<int>(cluster.slots.size())) {
    return base::Status(base::Code::kInvalidArgument,
                        "the layout has " + std::to_string(world) + " ranks, and the cluster has " +
                            std::to_string(cluster.slots.size()) + " places for them on " +
                            std::to_string(cluster.hosts.size()) + " host(s)");
  }
  const Model model(cluster);
  std::vector<std::size_t> order(layout.size());
  std::iota(order.begin(), order.end(), 0);
  const std::vector<double> naive = StepUs(model, layout, Fill(layout, order));
  std::vector<std::size_t> best_order = order;
  double best = Sum(naive);
  std::size_t tried = 0;
  do {
    // A dimension of one rank makes no difference where it stands.
    bool same_as_another = false;
    for (std::size_t i = 1; i < order.size(); ++i) {
      const bool trivial = layout[order[i]].size == 1 || layout[order[i - 1]].size == 1;
      same_as_another = same_as_another || (trivial && order[i] < order[i - 1]);
    }
    if (same_as_another) continue;
    ++tried;
    const double us = Sum(StepUs(model, layout, Fill(layout, order)));
    // Small differences are no reason to leave the layout's own order.
    if (us < best * 0.999) {
      best = us;
      best_order = order;
    }
  } while (std::next_permutation(order.begin(), order.end()));

  Mapping mapping{.slot_of_rank = Fill(layout, best_order), .notes = cluster.notes};
  const std::vector<double> chosen = StepUs(model, layout, mapping.slot_of_rank);
  for (const std::size_t dimension : best_order) {
    if (layout[dimension].size > 1) mapping.order.push_back(layout[dimension].name);
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    mapping.dimensions.push_back(
        {.name = layout[i].name,
         .size = layout[i].size,
         .where = layout[i].size == 1
                      ? "one rank alone"
                      : Where(cluster, model, GroupsOf(layout, i, mapping.slot_of_rank)),
         .us = chosen[i],
         .naive_us = naive[i]});
  }
  mapping.us = Sum(chosen);
  mapping.naive_us = Sum(naive);
  mapping.why = Why(layout, mapping.order, tried, mapping.us, mapping.naive_us);
  return mapping;
}

}  // namespace regatta::topology

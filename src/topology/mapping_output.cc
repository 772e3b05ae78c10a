#include <algorithm>
#include <cstdio>

#include "topology/mapping.h"

namespace regatta::topology {
namespace {

constexpr std::size_t kMostHostsShown = 64;

std::string Milliseconds(double us) {
  char text[32];
  std::snprintf(text, sizeof text, us < 10'000 ? "%.2f ms" : "%.0f ms", us / 1000);
  return text;
}

std::string Pad(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

// Rank -1: nobody.
std::vector<int> RankOfSlot(const Mapping& mapping, const Cluster& cluster) {
  std::vector<int> ranks(cluster.slots.size(), -1);
  for (std::size_t rank = 0; rank < mapping.slot_of_rank.size(); ++rank) {
    ranks[static_cast<std::size_t>(mapping.slot_of_rank[rank])] = static_cast<int>(rank);
  }
  return ranks;
}

base::Json Coordinates(const Layout& layout, int rank) {
  base::Json coordinates = base::Json::object();
  for (const Dimension& dimension : layout) {
    coordinates[dimension.name] = rank % dimension.size;
    rank /= dimension.size;
  }
  return coordinates;
}

}  // namespace

base::Json ToJson(const Mapping& mapping, const Cluster& cluster, const Layout& layout) {
  base::Json dimensions = base::Json::array();
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const DimensionPlacement& placed = mapping.dimensions[i];
    dimensions.push_back({{"name", placed.name},
                          {"size", placed.size},
                          {"where", placed.where},
                          {"bytes", layout[i].bytes},
                          {"calls", layout[i].calls},
                          {"us", placed.us},
                          {"naive_us", placed.naive_us}});
  }
  base::Json ranks = base::Json::array();
  for (std::size_t rank = 0; rank < mapping.slot_of_rank.size(); ++rank) {
    const Slot& slot = cluster.slots[static_cast<std::size_t>(mapping.slot_of_rank[rank])];
    base::Json one = {{"rank", rank},
                      {"host", cluster.hosts[static_cast<std::size_t>(slot.host)].name},
                      {"device", slot.device},
                      {"coordinates", Coordinates(layout, static_cast<int>(rank))}};
    if (slot.rail >= 0) one["rail"] = slot.rail;
    ranks.push_back(std::move(one));
  }
  return {{"version", 1},
          {"world_size", mapping.slot_of_rank.size()},
          {"order", mapping.order},
          {"why", mapping.why},
          {"us", mapping.us},
          {"naive_us", mapping.naive_us},
          {"dimensions", std::move(dimensions)},
          {"ranks", std::move(ranks)},
          {"notes", mapping.notes}};
}

std::string RenderMapping(const Mapping& mapping, const Cluster& cluster) {
  std::string out = std::to_string(mapping.slot_of_rank.size()) + " ranks; " + mapping.why + "\n\n";
  std::size_t width = 0;
  for (const DimensionPlacement& one : mapping.dimensions) {
    width = std::max(width, one.where.size());
  }
  out += "  dimension   size  " + Pad("where", width) + "  a step costs  in the naive order\n";
  for (const DimensionPlacement& one : mapping.dimensions) {
    char numbers[64];
    std::snprintf(numbers, sizeof numbers, "  %12s  %18s\n", Milliseconds(one.us).c_str(),
                  Milliseconds(one.naive_us).c_str());
    out += "  " + Pad(one.name, 10) + Pad("  " + std::to_string(one.size), 8) +
           Pad(one.where, width) + numbers;
  }
  char total[160];
  std::snprintf(total, sizeof total, "  %s  %12s  %18s", Pad("all", 18 + width).c_str(),
                Milliseconds(mapping.us).c_str(), Milliseconds(mapping.naive_us).c_str());
  out += total;
  if (mapping.us > 0 && mapping.naive_us > mapping.us * 1.001) {
    std::snprintf(total, sizeof total, " (%.2f times)", mapping.naive_us / mapping.us);
    out += total;
  }
  out += "\n\n  host: rank of each card\n";
  const std::vector<int> ranks = RankOfSlot(mapping, cluster);
  std::size_t name_width = 0;
  for (const Cluster::Host& host : cluster.hosts)
    name_width = std::max(name_width, host.name.size());
  for (std::size_t i = 0; i < std::min(cluster.hosts.size(), kMostHostsShown); ++i) {
    const Cluster::Host& host = cluster.hosts[i];
    out += "  " + Pad(host.name + ":", name_width + 1);
    for (int slot = 0; slot < host.slots; ++slot) {
      const int rank =
          ranks[static_cast<std::size_t>(host.first_slot) + static_cast<std::size_t>(slot)];
      char text[16];
      std::snprintf(text, sizeof text, "%6s", rank < 0 ? "-" : std::to_string(rank).c_str());
      out += text;
    }
    out += "\n";
  }
  if (cluster.hosts.size() > kMostHostsShown) {
    out += "  " + std::to_string(cluster.hosts.size() - kMostHostsShown) +
           " more hosts are in the JSON (-o json)\n";
  }
  for (const std::string& note : mapping.notes) out += "\nNote: " + note;
  if (!mapping.notes.empty()) out += "\n";
  return out;
}

}  // namespace regatta::topology

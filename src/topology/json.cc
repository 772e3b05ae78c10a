#include <algorithm>
#include <iterator>

#include "topology/topology.h"

namespace regatta::topology {
namespace {

constexpr std::size_t kMostListed = 256;

base::Json PartToJson(const Part& part, int id) {
  base::Json json = {{"id", id}, {"kind", Name(part.kind)}, {"name", part.name}};
  const auto text = [&](const char* name, const std::string& value) {
    if (!value.empty()) json[name] = value;
  };
  if (part.parent >= 0) json["parent"] = part.parent;
  if (part.index >= 0) json["index"] = part.index;
  text("bus_id", part.bus_id);
  text("cpus", part.cpus);
  if (part.bytes > 0) json["bytes"] = part.bytes;
  if (part.level > 0) json["level"] = part.level;
  if (part.cores > 0) json["cores"] = part.cores;
  if (part.threads > 0) json["threads"] = part.threads;
  text("vendor", part.vendor);
  text("model", part.model);
  if (part.compute_version > 0) json["compute_version"] = part.compute_version;
  if (part.rail >= 0) json["rail"] = part.rail;
  if (part.gigabytes_per_second > 0) json["gigabytes_per_second"] = part.gigabytes_per_second;
  if (!part.extra.empty()) json["extra"] = part.extra;
  return json;
}

base::Json LinkToJson(const Link& link) {
  base::Json json = {
      {"a", link.a}, {"b", link.b}, {"kind", Name(link.kind)}, {"measured", link.measured}};
  if (link.gigabytes_per_second > 0) json["gigabytes_per_second"] = link.gigabytes_per_second;
  if (link.latency_us > 0) json["latency_us"] = link.latency_us;
  if (link.count != 1) json["count"] = link.count;
  return json;
}

base::Json DistancesToJson(const Topology& topology) {
  std::vector<int> listed = topology.All(PartKind::kAccelerator);
  const std::vector<int> nics = topology.All(PartKind::kNic);
  listed.insert(listed.end(), nics.begin(), nics.end());
  if (listed.size() > kMostListed) {
    const int first = topology.All(PartKind::kHost).front();
    std::erase_if(listed, [&](int part) { return topology.Above(part, PartKind::kHost) != first; });
    if (listed.size() > kMostListed) listed.resize(kMostListed);
  }
  // Classes need no links but NVLinks, and measured ones may be many.
  Topology wires{.parts = topology.parts};
  std::copy_if(topology.links.begin(), topology.links.end(), std::back_inserter(wires.links),
               [](const Link& link) { return link.kind == LinkKind::kNvlink; });
  base::Json classes = base::Json::array();
  for (const int a : listed) {
    base::Json row = base::Json::array();
    for (const int b : listed) row.push_back(Name(DistanceBetween(wires, a, b)));
    classes.push_back(std::move(row));
  }
  return {{"parts", listed}, {"classes", std::move(classes)}};
}

}  // namespace

base::Json ToJson(const Topology& topology) {
  base::Json parts = base::Json::array();
  for (std::size_t i = 0; i < topology.parts.size(); ++i) {
    parts.push_back(PartToJson(topology.parts[i], static_cast<int>(i)));
  }
  base::Json links = base::Json::array();
  for (const Link& link : topology.links) links.push_back(LinkToJson(link));
  base::Json limits = base::Json::object();
  if (topology.limits.cgroup_version > 0) limits["cgroup_version"] = topology.limits.cgroup_version;
  if (topology.limits.cpus > 0) limits["cpus"] = topology.limits.cpus;
  if (!topology.limits.cpu_list.empty()) limits["cpu_list"] = topology.limits.cpu_list;
  if (topology.limits.memory_bytes > 0) limits["memory_bytes"] = topology.limits.memory_bytes;
  return {{"version", 1},
          {"parts", std::move(parts)},
          {"links", std::move(links)},
          {"distances", DistancesToJson(topology)},
          {"limits", std::move(limits)},
          {"notes", topology.notes}};
}

}  // namespace regatta::topology

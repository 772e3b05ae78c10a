#include "topology/text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

namespace regatta::topology {
namespace {

constexpr std::size_t kMostInMatrix = 32;

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 10 ? "%.1f" : "%.0f", value);
  std::string number = text;
  if (number.ends_with(".0")) number.resize(number.size() - 2);
  return number;
}

void AddDetail(const std::string& detail, std::string* to) {
  if (detail.empty()) return;
  if (!to->empty()) *to += ", ";
  *to += detail;
}

std::string Extra(const Part& part, const char* name) {
  const auto found = part.extra.find(name);
  return found == part.extra.end() ? "" : found->second;
}

std::string CoreCaches(const Part& part) {
  std::string text;
  for (const auto& [name, label] : {std::pair{"l1d_bytes", "L1d "}, std::pair{"l2_bytes", "L2 "}}) {
    const std::string bytes = Extra(part, name);
    if (!bytes.empty()) {
      AddDetail(label + BytesText(std::strtoll(bytes.c_str(), nullptr, 10)), &text);
    }
  }
  return text.empty() ? "" : "each " + text;
}

class Tree {
 public:
  Tree(const Topology& topology, const TextOptions& options)
      : topology_(topology), options_(options) {}

  std::string Render(int host) {
    Line("", host, 1);
    Children(host, "");
    return std::move(out_);
  }

 private:
  // What a part and all below it look like, but for numbers and places: equal ones are shown once.
  std::string Shape(int part) const {
    const Part& one = topology_.parts[part];
    if (one.kind != PartKind::kCache && one.kind != PartKind::kCores) return std::to_string(part);
    std::string shape = std::string(Name(one.kind)) + " " + std::to_string(one.bytes) + " " +
                        std::to_string(one.cores) + " " + std::to_string(one.threads) + " " +
                        CoreCaches(one);
    for (const int child : topology_.ChildrenOf(part)) shape += "(" + Shape(child) + ")";
    return shape;
  }

  void Line(const std::string& lead, int part, int times) {
    const Part& one = topology_.parts[part];
    out_ += lead;
    if (times > 1) out_ += std::to_string(times) + (options_.unicode ? " × " : " x ");
    out_ += one.name;
    const std::string details = Details(topology_, part);
    if (!details.empty()) out_ += "  " + details;
    out_ += "\n";
  }

  void Children(int part, const std::string& lead) {
    const std::vector<int> children = topology_.ChildrenOf(part);
    for (std::size_t i = 0; i < children.size();) {
      std::size_t end = i + 1;
      while (end < children.size() && Shape(children[end]) == Shape(children[i])) ++end;
      const bool last = end == children.size();
      const char* branch = options_.unicode ? (last ? "└─ " : "├─ ") : (last ? "`- " : "|- ");
      const char* trunk = last ? "   " : (options_.unicode ? "│  " : "|  ");
      Line(lead + branch, children[i], static_cast<int>(end - i));
      Children(children[i], lead + trunk);
      i = end;
    }
  }

  const Topology& topology_;
  const TextOptions& options_;
  std::string out_;
};

// "12 links, 240 GB/s each way".
std::string NvlinkText(const Link& link) {
  std::string text;
  if (link.count > 1) text = std::to_string(link.count) + " links, ";
  return text + (link.gigabytes_per_second > 0 ? SpeedText(link.gigabytes_per_second) + " each way"
                                               : "of unknown speed");
}

// Equal links are told together: of many parts to one switch, or of all with each other.
std::string Nvlinks(const Topology& topology) {
  std::map<std::string, std::vector<Link>> groups;
  for (const Link& link : topology.links) {
    if (link.kind != LinkKind::kNvlink) continue;
    const bool to_switch = topology.parts[link.b].kind == PartKind::kSwitch;
    groups[(to_switch ? std::to_string(link.b) : "") + " " + NvlinkText(link)].push_back(link);
  }
  std::string out;
  const auto name = [&](int part) { return topology.parts[part].name; };
  for (const auto& [key, links] : groups) {
    const std::string text = "  " + NvlinkText(links.front()) + "\n";
    std::set<int> ends;
    for (const Link& link : links) ends.insert({link.a, link.b});
    const bool to_switch = topology.parts[links.front().b].kind == PartKind::kSwitch;
    if (to_switch && links.size() > 1) {
      out += "  " + name(links.front().a) + " to " + name(links.back().a) + " - " +
             name(links.front().b) + text;
    } else if (links.size() > 1 && links.size() == ends.size() * (ends.size() - 1) / 2) {
      out += "  " + name(*ends.begin()) + " to " + name(*ends.rbegin()) + ", each with each" + text;
    } else {
      for (const Link& link : links) out += "  " + name(link.a) + " - " + name(link.b) + text;
    }
  }
  return out.empty() ? "" : "\nNVLink\n" + out;
}

// Hosts of a cluster are named beside their devices only where there are several.
std::string DeviceName(const Topology& topology, int part, bool several_hosts) {
  if (!several_hosts) return topology.parts[part].name;
  const int host = topology.Above(part, PartKind::kHost);
  return topology.parts[host].name + "/" + topology.parts[part].name;
}

std::string Pad(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

std::string Matrix(const Topology& topology) {
  std::vector<int> devices = topology.All(PartKind::kAccelerator);
  for (const int nic : topology.All(PartKind::kNic)) devices.push_back(nic);
  if (devices.size() < 2) return "";
  if (devices.size() > kMostInMatrix) {
    return "\nDistances of " + std::to_string(devices.size()) +
           " devices are in the JSON (-o json)\n";
  }
  const bool several_hosts = topology.All(PartKind::kHost).size() > 1;
  std::vector<std::string> names;
  std::size_t width = 4;
  for (const int device : devices) {
    names.push_back(DeviceName(topology, device, several_hosts));
    width = std::max(width, names.back().size());
  }
  std::set<Distance> used;
  std::string out = "\nDistances\n  " + Pad("", width);
  for (const std::string& name : names) out += "  " + Pad(name, 4);
  out += "\n";
  for (std::size_t a = 0; a < devices.size(); ++a) {
    out += "  " + Pad(names[a], width);
    for (std::size_t b = 0; b < devices.size(); ++b) {
      const Distance distance = DistanceBetween(topology, devices[a], devices[b]);
      used.insert(distance);
      out += "  " + Pad(a == b ? "." : Name(distance), std::max<std::size_t>(4, names[b].size()));
    }
    while (out.ends_with(' ')) out.pop_back();
    out += "\n";
  }
  static constexpr std::array kMeaning = {"",
                                          "NVLink",
                                          "one PCIe switch",
                                          "several PCIe switches",
                                          "one PCIe host bridge",
                                          "host bridges of one NUMA node",
                                          "the link between NUMA nodes",
                                          "the network"};
  for (const Distance distance : used) {
    if (distance == Distance::kLoc) continue;
    out += "  " + Pad(Name(distance), 4) + "  through " +
           kMeaning[static_cast<std::size_t>(distance)] + "\n";
  }
  return out;
}

std::string LimitsText(const Limits& limits) {
  if (limits.cgroup_version == 0) return "";
  std::string text;
  if (limits.cpus > 0) AddDetail(Number(limits.cpus) + " processors' time", &text);
  if (!limits.cpu_list.empty()) AddDetail("processors " + limits.cpu_list, &text);
  if (limits.memory_bytes > 0) AddDetail(BytesText(limits.memory_bytes) + " of memory", &text);
  return "\nLimits (cgroup v" + std::to_string(limits.cgroup_version) +
         "): " + (text.empty() ? "none" : text) + "\n";
}

}  // namespace

std::string BytesText(std::int64_t bytes) {
  static constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return Number(value) + " " + kUnits[unit];
}

std::string SpeedText(double gigabytes_per_second) {
  return gigabytes_per_second > 0 ? Number(gigabytes_per_second) + " GB/s" : "";
}

std::string ProductName(const Part& part) {
  if (part.model.empty() || part.vendor.empty()) return part.vendor + part.model;
  return part.model.starts_with(part.vendor) ? part.model : part.vendor + " " + part.model;
}

std::string Details(const Topology& topology, int part) {
  const Part& one = topology.parts[part];
  std::string text;
  AddDetail(one.bus_id, &text);
  switch (one.kind) {
    case PartKind::kSocket:
      AddDetail(one.model, &text);
      break;
    case PartKind::kNuma:
      if (one.bytes > 0) AddDetail(BytesText(one.bytes), &text);
      if (!one.cpus.empty()) AddDetail("processors " + one.cpus, &text);
      break;
    case PartKind::kCache:
      AddDetail(BytesText(one.bytes), &text);
      break;
    case PartKind::kCores:
      AddDetail(std::to_string(one.threads) + (one.threads == 1 ? " thread" : " threads"), &text);
      AddDetail(CoreCaches(one), &text);
      break;
    case PartKind::kNic:
      if (one.rail >= 0) AddDetail("rail " + std::to_string(one.rail), &text);
      AddDetail(SpeedText(one.gigabytes_per_second), &text);
      if (Extra(one, "state") == "down") AddDetail("down", &text);
      if (!Extra(one, "virtual").empty()) AddDetail("virtual", &text);
      if (Extra(one, "interface") != one.name) AddDetail(Extra(one, "interface"), &text);
      break;
    case PartKind::kAccelerator:
      AddDetail(ProductName(one), &text);
      if (one.bytes > 0) AddDetail(BytesText(one.bytes), &text);
      break;
    case PartKind::kHost:
      AddDetail(one.model, &text);
      break;
    default:
      break;
  }
  for (const Link& link : topology.links) {
    if (link.kind == LinkKind::kPcie && link.a == part && link.b == one.parent &&
        link.gigabytes_per_second > 0 && one.kind != PartKind::kNic) {
      AddDetail("PCIe " + SpeedText(link.gigabytes_per_second), &text);
    }
  }
  return text;
}

std::string RenderText(const Topology& topology, const TextOptions& options) {
  std::string out;
  for (const int host : topology.All(PartKind::kHost)) {
    if (!out.empty()) out += "\n";
    out += Tree(topology, options).Render(host);
  }
  out += Nvlinks(topology) + Matrix(topology) + LimitsText(topology.limits);
  for (const std::string& note : topology.notes) out += "\nNote: " + note;
  if (!topology.notes.empty()) out += "\n";
  return out;
}

}  // namespace regatta::topology

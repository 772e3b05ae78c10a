#include "topology/topology.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>

namespace regatta::topology {

const char* Name(PartKind kind) {
  static constexpr std::array kNames = {"host",        "socket", "numa", "cache",       "cores",
                                        "host_bridge", "bridge", "nic",  "accelerator", "switch"};
  return kNames[static_cast<std::size_t>(kind)];
}

const char* Name(LinkKind kind) {
  static constexpr std::array kNames = {"pcie", "socket", "nvlink", "network"};
  return kNames[static_cast<std::size_t>(kind)];
}

const char* Name(Distance distance) {
  static constexpr std::array kNames = {"LOC", "NVL", "PIX", "PXB", "PHB", "NODE", "SYS", "NET"};
  return kNames[static_cast<std::size_t>(distance)];
}

int Topology::Add(Part part) {
  parts.push_back(std::move(part));
  return static_cast<int>(parts.size()) - 1;
}

std::vector<int> Topology::ChildrenOf(int part) const {
  std::vector<int> children;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].parent == part) children.push_back(static_cast<int>(i));
  }
  return children;
}

std::vector<int> Topology::All(PartKind kind) const {
  std::vector<int> found;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].kind == kind) found.push_back(static_cast<int>(i));
  }
  return found;
}

int Topology::Above(int part, PartKind kind) const {
  while (part >= 0 && parts[part].kind != kind) part = parts[part].parent;
  return part;
}

int Topology::FindBusId(std::string_view bus_id, int host) const {
  const std::string normal = NormalBusId(bus_id);
  if (normal.empty()) return -1;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].bus_id != normal) continue;
    if (host < 0 || Above(static_cast<int>(i), PartKind::kHost) == host) return static_cast<int>(i);
  }
  return -1;
}

base::Status Check(const Topology& topology) {
  const int count = static_cast<int>(topology.parts.size());
  const auto complain = [](const std::string& what) {
    return base::Status(base::Code::kInvalidArgument, "topology: " + what);
  };
  for (int i = 0; i < count; ++i) {
    const Part& part = topology.parts[i];
    if (part.parent < -1 || part.parent >= i) {
      return complain("part " + std::to_string(i) + " (\"" + part.name + "\") has parent " +
                      std::to_string(part.parent) + "; a parent must come before its children");
    }
    const bool root = part.kind == PartKind::kHost || part.kind == PartKind::kSwitch;
    if (root != (part.parent == -1)) {
      return complain("part " + std::to_string(i) + " (\"" + part.name + "\", " + Name(part.kind) +
                      (root ? ") may not have a parent" : ") must have a parent"));
    }
  }
  for (const Link& link : topology.links) {
    if (link.a < 0 || link.a >= count || link.b < 0 || link.b >= count || link.a == link.b) {
      return complain("a link from part " + std::to_string(link.a) + " to part " +
                      std::to_string(link.b) + "; there are " + std::to_string(count) + " parts");
    }
  }
  return {};
}

void Append(const Topology& other, Topology* into) {
  const int offset = static_cast<int>(into->parts.size());
  std::string host;
  for (Part part : other.parts) {
    if (part.kind == PartKind::kHost && host.empty()) host = part.name;
    if (part.parent >= 0) part.parent += offset;
    into->parts.push_back(std::move(part));
  }
  for (Link link : other.links) {
    link.a += offset;
    link.b += offset;
    into->links.push_back(link);
  }
  for (const std::string& note : other.notes) into->notes.push_back(host + ": " + note);
}

std::string NormalBusId(std::string_view text) {
  std::array<std::uint32_t, 4> fields = {};  // domain, bus, device, function
  // The function alone is set off by a dot.
  if (text.find('.') == text.npos || text.find('.') < text.rfind(':')) return "";
  std::vector<std::string_view> pieces;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] != ':' && text[i] != '.') continue;
    pieces.push_back(text.substr(begin, i - begin));
    begin = i + 1;
  }
  if (pieces.size() == 3) pieces.insert(pieces.begin(), "0");
  if (pieces.size() != 4) return "";
  static constexpr std::array<std::uint32_t, 4> kLargest = {0xffffffff, 0xff, 0x1f, 0xf};
  for (std::size_t i = 0; i < 4; ++i) {
    if (pieces[i].empty() || pieces[i].size() > 8) return "";
    for (const char c : pieces[i]) {
      if (std::isxdigit(static_cast<unsigned char>(c)) == 0) return "";
      const int lower = std::tolower(static_cast<unsigned char>(c));
      fields[i] = fields[i] * 16 +
                  static_cast<std::uint32_t>(lower <= '9' ? lower - '0' : lower - 'a' + 10);
    }
    if (fields[i] > kLargest[i]) return "";
  }
  char normal[32];
  std::snprintf(normal, sizeof normal, "%04x:%02x:%02x.%x", fields[0], fields[1], fields[2],
                fields[3]);
  return normal;
}

}  // namespace regatta::topology

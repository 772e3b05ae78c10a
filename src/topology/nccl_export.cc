#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "topology/cpu_list.h"
#include "topology/nccl_xml.h"
#include "topology/xml.h"

namespace regatta::topology {
namespace {

using Attributes = std::vector<std::pair<std::string, std::string>>;

class Exporter {
 public:
  Exporter(const Topology& topology, int host) : topology_(topology), host_(host) {}

  XmlElement Export() {
    XmlElement system{.name = "system"};
    system.attributes = Kept(host_, "system");
    SetIfAbsent("version", "1", &system.attributes);
    for (const int numa : topology_.All(PartKind::kNuma)) {
      if (topology_.Above(numa, PartKind::kHost) == host_) system.children.push_back(Cpu(numa));
    }
    // A machine whose memory is not told still has a processor that its devices hang on.
    if (system.children.empty()) system.children.push_back(Cpu(host_));
    for (int part = 0; part < static_cast<int>(topology_.parts.size()); ++part) {
      if (!IsTopOfPci(part) || topology_.Above(part, PartKind::kHost) != host_) continue;
      XmlElement* cpu = &system.children.front();
      const int numa = topology_.Above(part, PartKind::kNuma);
      for (XmlElement& one : system.children) {
        const std::string* id = one.Find("numaid");
        if (numa >= 0 && *id == std::to_string(topology_.parts[numa].index)) cpu = &one;
      }
      AddPci(part, cpu);
    }
    return system;
  }

 private:
  const Part& At(int part) const { return topology_.parts[part]; }

  static bool OnPci(PartKind kind) {
    return kind == PartKind::kBridge || kind == PartKind::kNic || kind == PartKind::kAccelerator;
  }
  bool IsTopOfPci(int part) const {
    return OnPci(At(part).kind) && !OnPci(At(At(part).parent).kind);
  }

  // What an import has kept for this element.
  Attributes Kept(int part, const std::string& element) const {
    Attributes kept;
    const std::string prefix = "nccl." + element + ".";
    for (const auto& [key, value] : At(part).extra) {
      if (key.starts_with(prefix)) kept.emplace_back(key.substr(prefix.size()), value);
    }
    return kept;
  }

  static void SetIfAbsent(const std::string& name, const std::string& value,
                          Attributes* attributes) {
    const bool there = std::any_of(attributes->begin(), attributes->end(),
                                   [&](const auto& one) { return one.first == name; });
    if (!there && !value.empty()) attributes->emplace_back(name, value);
  }

  std::string Extra(int part, const std::string& key) const {
    if (part < 0) return "";
    const auto found = At(part).extra.find(key);
    return found == At(part).extra.end() ? "" : found->second;
  }

  XmlElement Cpu(int numa) const {
    XmlElement cpu{.name = "cpu"};
    int socket = topology_.Above(numa, PartKind::kSocket);
    if (socket < 0) {
      // One NUMA node over several sockets, which are alike.
      for (const int one : topology_.All(PartKind::kSocket)) {
        if (socket < 0 && topology_.Above(one, PartKind::kHost) == host_) socket = one;
      }
    }
    const int index = At(numa).kind == PartKind::kNuma ? At(numa).index : 0;
    cpu.attributes = {{"numaid", std::to_string(index)}};
    for (auto& kept : Kept(numa, "cpu")) cpu.attributes.push_back(std::move(kept));
    SetIfAbsent("affinity", MaskFromCpuList(At(numa).cpus), &cpu.attributes);
    SetIfAbsent("arch", Extra(host_, "arch"), &cpu.attributes);
    SetIfAbsent("vendor",
                !At(numa).vendor.empty() || socket < 0 ? At(numa).vendor : At(socket).vendor,
                &cpu.attributes);
    SetIfAbsent("familyid", Extra(socket, "family"), &cpu.attributes);
    SetIfAbsent("modelid", Extra(socket, "model_number"), &cpu.attributes);
    return cpu;
  }

  void AddPci(int part, XmlElement* parent) const {
    const Part& one = At(part);
    if (one.bus_id.empty()) {
      // A network device that is on no bus: <nic> stands alone.
      if (one.kind == PartKind::kNic) Nic(parent).children.push_back(Net(part));
      return;
    }
    // The ports of one NIC share its <pci>.
    for (XmlElement& other : parent->children) {
      if (one.kind == PartKind::kNic && other.name == "pci" && *other.Find("busid") == one.bus_id) {
        Nic(&other).children.push_back(Net(part));
        return;
      }
    }
    XmlElement pci{.name = "pci"};
    pci.attributes = {{"busid", one.bus_id}};
    SetIfAbsent("class", ClassOf(part), &pci.attributes);
    for (auto& kept : Kept(part, "pci")) pci.attributes.push_back(std::move(kept));
    const std::string device = Extra(part, "pci_device");
    if (device.size() == 9) {
      SetIfAbsent("vendor", "0x" + device.substr(0, 4), &pci.attributes);
      SetIfAbsent("device", "0x" + device.substr(5), &pci.attributes);
    }
    AddPcieSpeed(part, &pci.attributes);
    if (one.kind == PartKind::kAccelerator) pci.children.push_back(Gpu(part));
    if (one.kind == PartKind::kNic) Nic(&pci).children.push_back(Net(part));
    for (const int child : topology_.ChildrenOf(part)) AddPci(child, &pci);
    parent->children.push_back(std::move(pci));
  }

  static XmlElement& Nic(XmlElement* parent) {
    for (XmlElement& child : parent->children) {
      if (child.name == "nic") return child;
    }
    parent->children.push_back({.name = "nic"});
    return parent->children.back();
  }

  std::string ClassOf(int part) const {
    const std::string known = Extra(part, "class");
    if (!known.empty()) return known;
    return At(part).kind == PartKind::kBridge ? "0x060400"
           : At(part).kind == PartKind::kNic  ? "0x020000"
                                              : "0x030200";
  }

  // hwloc tells GB/s only: the widest standard link that gives them.
  void AddPcieSpeed(int part, Attributes* attributes) const {
    static constexpr std::array<std::pair<double, const char*>, 6> kRates = {
        {{2.5, "2.5 GT/s PCIe"},
         {5, "5.0 GT/s PCIe"},
         {8, "8.0 GT/s PCIe"},
         {16, "16.0 GT/s PCIe"},
         {32, "32.0 GT/s PCIe"},
         {64, "64.0 GT/s PCIe"}}};
    for (const Link& link : topology_.links) {
      if (link.kind != LinkKind::kPcie || link.a != part || link.gigabytes_per_second <= 0)
        continue;
      for (const int width : {16, 8, 4, 2, 1}) {
        for (const auto& [rate, name] : kRates) {
          const double speed = (rate <= 5 ? rate * 0.8 / 8 : rate * 128 / 130 / 8) * width;
          if (std::abs(speed - link.gigabytes_per_second) > 0.02 * speed) continue;
          SetIfAbsent("link_speed", name, attributes);
          SetIfAbsent("link_width", std::to_string(width), attributes);
        }
      }
    }
  }

  XmlElement Gpu(int part) const {
    const Part& one = At(part);
    XmlElement gpu{.name = "gpu"};
    if (one.index >= 0) gpu.attributes.emplace_back("dev", std::to_string(one.index));
    if (one.compute_version > 0)
      gpu.attributes.emplace_back("sm", std::to_string(one.compute_version));
    for (auto& kept : Kept(part, "gpu")) gpu.attributes.push_back(std::move(kept));
    for (const Link& link : topology_.links) {
      if (link.kind != LinkKind::kNvlink || (link.a != part && link.b != part)) continue;
      const int peer = link.a == part ? link.b : link.a;
      const bool to_switch = At(peer).kind == PartKind::kSwitch;
      // NVML does not tell the switch's address; NCCL only counts, so any one does.
      const std::string target = At(peer).bus_id.empty() ? "fffffff:ff:1f.f" : At(peer).bus_id;
      gpu.children.push_back({.name = "nvlink",
                              .attributes = {{"target", target},
                                             {"count", std::to_string(link.count)},
                                             {"tclass", to_switch ? "0x068000" : "0x030200"}}});
    }
    return gpu;
  }

  XmlElement Net(int part) const {
    const Part& one = At(part);
    XmlElement net{.name = "net"};
    net.attributes = {{"name", one.name}, {"dev", std::to_string(DeviceNumber(part))}};
    if (one.gigabytes_per_second > 0) {
      net.attributes.emplace_back("speed",
                                  std::to_string(std::lround(one.gigabytes_per_second * 8000)));
    }
    for (auto& kept : Kept(part, "net")) net.attributes.push_back(std::move(kept));
    const std::string guid = Extra(part, "guid");
    if (!guid.empty()) {
      // "0000:0000:0000:0001" in sysfs.
      std::string digits;
      std::copy_if(guid.begin(), guid.end(), std::back_inserter(digits),
                   [](char c) { return c != ':'; });
      digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
      SetIfAbsent("guid", "0x" + digits, &net.attributes);
    }
    return net;
  }

  // NICs that were detected are numbered in their order.
  int DeviceNumber(int part) const {
    if (At(part).index >= 0) return At(part).index;
    int number = 0;
    for (const int nic : topology_.All(PartKind::kNic)) {
      if (nic == part) break;
      if (topology_.Above(nic, PartKind::kHost) == host_) ++number;
    }
    return number;
  }

  const Topology& topology_;
  int host_;
};

}  // namespace

base::Result<std::string> ToNcclXml(const Topology& topology, int host) {
  const std::vector<int> hosts = topology.All(PartKind::kHost);
  if (host < 0) {
    if (hosts.size() != 1) {
      return base::Status(base::Code::kFailedPrecondition,
                          "NCCL's topology XML describes one host, and this topology has " +
                              std::to_string(hosts.size()));
    }
    host = hosts.front();
  }
  if (std::find(hosts.begin(), hosts.end(), host) == hosts.end()) {
    return base::Status(base::Code::kInvalidArgument,
                        "part " + std::to_string(host) + " of the topology is no host");
  }
  return WriteXml(Exporter(topology, host).Export());
}

}  // namespace regatta::topology

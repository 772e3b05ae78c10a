#include <array>
#include <cstdlib>
#include <map>
#include <set>

#include "base/suggest.h"
#include "topology/cpu_list.h"
#include "topology/nccl_xml.h"
#include "topology/nvml.h"
#include "topology/vendors.h"
#include "topology/xml.h"

namespace regatta::topology {
namespace {

constexpr char kBridgeClass[] = "0x0604";
constexpr char kNvswitchClass[] = "0x0680";
constexpr int kVersion = 1;
constexpr char kLeftOut[] = "it was left out";

// GB/s each direction of one lane: the line rate less its encoding (8b/10b up to 5 GT/s, then
// 128b/130b; 64 GT/s has its own framing, which costs about as much).
double LaneGigabytesPerSecond(double gigatransfers) {
  return gigatransfers <= 5 ? gigatransfers * 0.8 / 8 : gigatransfers * 128 / 130 / 8;
}

class Importer {
 public:
  explicit Importer(const std::string& name) : name_(name) {}

  base::Result<Topology> Import(const XmlElement& root) {
    if (root.name != "system") {
      return Error(root, "NCCL's topology begins with <system>, not <" + root.name + ">");
    }
    int version = kVersion;
    BASE_RETURN_IF_ERROR(Integer(root, "version", Missing::kIsDefault, &version));
    if (version != kVersion) {
      return Error(root, "version " + std::to_string(version) +
                             " of the format; this program reads version 1");
    }
    host_ = out_.Add({.kind = PartKind::kHost, .name = "host"});
    Keep(root, "system", {}, &out_.parts[host_]);
    for (const XmlElement& child : root.children) {
      if (child.name != "cpu") {
        Unknown(child);
        continue;
      }
      BASE_RETURN_IF_ERROR(ReadCpu(child));
    }
    if (out_.parts.size() == 1) return Error(root, "there is no <cpu> in it");
    BASE_RETURN_IF_ERROR(ConnectNvlinks());
    ConnectSockets();
    return std::move(out_);
  }

 private:
  enum class Missing { kIsError, kIsDefault };

  base::Status Error(const XmlElement& element, const std::string& what) const {
    return base::Status(base::Code::kInvalidArgument,
                        name_ + ":" + std::to_string(element.line) + ": " + what);
  }

  void Note(const XmlElement& element, const std::string& what) {
    out_.notes.push_back(name_ + ":" + std::to_string(element.line) + ": " + what);
  }
  void Unknown(const XmlElement& element) {
    Note(element, "<" + element.name + "> is not known here; " + kLeftOut);
  }

  base::Status Text(const XmlElement& element, const char* attribute, std::string* value) const {
    const std::string* found = element.Find(attribute);
    if (found != nullptr) {
      *value = *found;
      return {};
    }
    std::vector<std::string> names;
    for (const auto& [key, unused] : element.attributes) names.push_back(key);
    return Error(element, "<" + element.name + "> has no \"" + attribute + "\"" +
                              base::DidYouMean(attribute, names));
  }

  base::Status Integer(const XmlElement& element, const char* attribute, Missing missing,
                       int* value) const {
    if (missing == Missing::kIsDefault && element.Find(attribute) == nullptr) return {};
    std::string text;
    BASE_RETURN_IF_ERROR(Text(element, attribute, &text));
    char* end = nullptr;
    const long number = std::strtol(text.c_str(), &end, 10);
    if (text.empty() || *end != '\0' || number < -1 || number > 100'000'000) {
      return Error(element, std::string(attribute) + "=\"" + text + "\" of <" + element.name +
                                "> is no number from -1 to 100000000");
    }
    *value = static_cast<int>(number);
    return {};
  }

  base::Status BusId(const XmlElement& element, const char* attribute, std::string* bus_id) const {
    std::string text;
    BASE_RETURN_IF_ERROR(Text(element, attribute, &text));
    *bus_id = NormalBusId(text);
    if (!bus_id->empty()) return {};
    return Error(element, std::string(attribute) + "=\"" + text + "\" of <" + element.name +
                              "> is no PCI address; it is written as 0000:3b:00.0");
  }

  // What has no field of its own survives in `extra`.
  static void Keep(const XmlElement& element, const std::string& name,
                   const std::set<std::string>& modelled, Part* part) {
    for (const auto& [key, value] : element.attributes) {
      if (!modelled.contains(key)) part->extra["nccl." + name + "." + key] = value;
    }
  }

  base::Status ReadCpu(const XmlElement& cpu) {
    Part part = {.kind = PartKind::kNuma, .parent = host_};
    BASE_RETURN_IF_ERROR(Integer(cpu, "numaid", Missing::kIsError, &part.index));
    if (!numa_ids_.insert(part.index).second) {
      return Error(cpu, "a second <cpu> with numaid " + std::to_string(part.index));
    }
    part.name = part.index < 0 ? "processor" : "NUMA node " + std::to_string(part.index);
    if (const std::string* vendor = cpu.Find("vendor")) part.vendor = CleanName(*vendor);
    if (const std::string* affinity = cpu.Find("affinity"); affinity && !affinity->empty()) {
      const auto cpus = CpuListFromMask(*affinity);
      if (!cpus) {
        return Error(
            cpu, "affinity=\"" + *affinity +
                     "\" is no mask; it is written as hexadecimal words, \"0000ffff,ffff0000\"");
      }
      part.cpus = *cpus;
    }
    Keep(cpu, "cpu", {"numaid", "vendor"}, &part);
    const int numa = out_.Add(std::move(part));
    const int bridge = out_.Add({.kind = PartKind::kHostBridge, .name = "PCIe", .parent = numa});
    for (const XmlElement& child : cpu.children) {
      if (child.name == "pci") {
        BASE_RETURN_IF_ERROR(ReadPci(child, bridge));
      } else if (child.name == "nic") {
        BASE_RETURN_IF_ERROR(ReadNic(child, bridge, nullptr));
      } else {
        Unknown(child);
      }
    }
    return {};
  }

  // GB/s of the link above a device; 0 where the file does not tell.
  base::Status ReadPcieSpeed(const XmlElement& pci, double* speed) const {
    *speed = 0;
    const std::string* rate = pci.Find("link_speed");
    if (rate == nullptr || rate->empty()) return {};
    int width = 0;
    BASE_RETURN_IF_ERROR(Integer(pci, "link_width", Missing::kIsDefault, &width));
    char* end = nullptr;
    const double gigatransfers = std::strtod(rate->c_str(), &end);
    const std::string unit = end;
    // "Unknown speed" is what the kernel says of virtual devices.
    if (unit.find("GT/s") == std::string::npos) {
      if (end == rate->c_str()) return {};
      return Error(pci,
                   "link_speed=\"" + *rate + "\" is no speed; it is written as \"16.0 GT/s PCIe\"");
    }
    if (gigatransfers > 0 && gigatransfers < 1000 && width > 0) {
      *speed = LaneGigabytesPerSecond(gigatransfers) * width;
    }
    return {};
  }

  base::Status ReadPci(const XmlElement& pci, int parent) {
    std::string bus_id;
    std::string pci_class;
    BASE_RETURN_IF_ERROR(BusId(pci, "busid", &bus_id));
    BASE_RETURN_IF_ERROR(Text(pci, "class", &pci_class));
    if (const auto [seen, fresh] = line_of_.emplace(bus_id, pci.line); !fresh) {
      return Error(pci, "a second <pci> with busid " + bus_id + "; the first is in line " +
                            std::to_string(seen->second));
    }
    double speed = 0;
    BASE_RETURN_IF_ERROR(ReadPcieSpeed(pci, &speed));
    Part part = {.parent = parent, .bus_id = bus_id};
    part.extra["class"] = pci_class;
    Keep(pci, "pci", {"busid", "class"}, &part);
    if (pci_class.starts_with(kBridgeClass)) {
      part.kind = PartKind::kBridge;
      part.name = "PCIe switch";
      const int bridge = AddLinked(std::move(part), speed);
      for (const XmlElement& child : pci.children) {
        if (child.name == "pci") {
          BASE_RETURN_IF_ERROR(ReadPci(child, bridge));
        } else {
          Unknown(child);
        }
      }
      return {};
    }
    bool device = false;
    for (const XmlElement& child : pci.children) {
      if (child.name == "gpu") {
        BASE_RETURN_IF_ERROR(ReadGpu(child, part, speed));
        device = true;
      } else if (child.name == "nic") {
        part.kind = PartKind::kNic;
        BASE_RETURN_IF_ERROR(ReadNic(child, parent, &part, speed));
        device = true;
      } else {
        Unknown(child);
      }
    }
    if (!device) {
      Note(pci, bus_id + " is neither a switch nor holds a <gpu> or <nic>; " + kLeftOut);
    }
    return {};
  }

  int AddLinked(Part part, double speed) {
    const int parent = part.parent;
    const int index = out_.Add(std::move(part));
    out_.links.push_back({index, parent, LinkKind::kPcie, speed});
    return index;
  }

  base::Status ReadGpu(const XmlElement& gpu, Part part, double speed) {
    part.kind = PartKind::kAccelerator;
    BASE_RETURN_IF_ERROR(Integer(gpu, "dev", Missing::kIsError, &part.index));
    BASE_RETURN_IF_ERROR(Integer(gpu, "sm", Missing::kIsDefault, &part.compute_version));
    part.name = "GPU " + std::to_string(part.index);
    if (part.compute_version > 0) part.vendor = "NVIDIA";
    Keep(gpu, "gpu", {"dev", "sm"}, &part);
    const int index = AddLinked(std::move(part), speed);
    for (const XmlElement& child : gpu.children) {
      if (child.name != "nvlink") {
        Unknown(child);
        continue;
      }
      Nvlink link{.gpu = index, .element = &child};
      BASE_RETURN_IF_ERROR(BusId(child, "target", &link.target));
      BASE_RETURN_IF_ERROR(Integer(child, "count", Missing::kIsError, &link.count));
      BASE_RETURN_IF_ERROR(Text(child, "tclass", &link.target_class));
      if (link.count < 1)
        return Error(child,
                     "count=\"" + std::to_string(link.count) + "\"; a link counts at least 1");
      nvlinks_.push_back(link);
    }
    return {};
  }

  base::Status ReadNic(const XmlElement& nic, int parent, const Part* pci, double pcie_speed = 0) {
    for (const XmlElement& net : nic.children) {
      if (net.name != "net") {
        Unknown(net);
        continue;
      }
      Part part = pci != nullptr ? *pci : Part{.kind = PartKind::kNic, .parent = parent};
      int megabits = 0;
      BASE_RETURN_IF_ERROR(Text(net, "name", &part.name));
      BASE_RETURN_IF_ERROR(Integer(net, "dev", Missing::kIsError, &part.index));
      BASE_RETURN_IF_ERROR(Integer(net, "speed", Missing::kIsDefault, &megabits));
      if (megabits > 0) part.gigabytes_per_second = megabits / 8000.0;
      Keep(net, "net", {"name", "dev", "speed"}, &part);
      // Sockets have no such attributes; RDMA devices do.
      if (net.Find("guid") != nullptr && *net.Find("guid") != "0x0")
        part.extra["rdma_device"] = part.name;
      AddLinked(std::move(part), pcie_speed);
    }
    return {};
  }

  base::Status ConnectNvlinks() {
    std::map<std::string, int> switches;
    std::map<std::pair<int, int>, const XmlElement*> counted;
    for (const Nvlink& link : nvlinks_) {
      int peer = out_.FindBusId(link.target, host_);
      if (link.target_class.starts_with(kNvswitchClass)) {
        auto [known, fresh] = switches.try_emplace(link.target, -1);
        if (fresh) {
          known->second = out_.Add({.kind = PartKind::kSwitch,
                                    .name = "NVSwitch " + std::to_string(switches.size() - 1),
                                    .bus_id = link.target,
                                    .vendor = "NVIDIA"});
        }
        peer = known->second;
      }
      if (peer == link.gpu) {
        return Error(*link.element,
                     "<nvlink> leads to " + link.target + ", the GPU that it is part of");
      }
      if (peer < 0) {
        // A container that sees a part of the machine's GPUs is told of links to the others.
        Note(*link.element,
             "<nvlink> leads to " + link.target + ", which no <pci> in this file has; " + kLeftOut);
        continue;
      }
      const auto ends = std::minmax(link.gpu, peer);
      if (out_.parts[peer].kind == PartKind::kAccelerator) {
        // Both ends tell of one link.
        const auto [other, fresh] = counted.emplace(ends, link.element);
        if (!fresh) {
          const std::string* count = other->second->Find("count");
          if (std::atoi(count->c_str()) != link.count) {
            return Error(*link.element, "count=\"" + std::to_string(link.count) +
                                            "\" of <nvlink>, but line " +
                                            std::to_string(other->second->line) + " counts " +
                                            *count + " between the same two GPUs");
          }
          continue;
        }
      }
      const int version = out_.parts[link.gpu].compute_version;
      out_.links.push_back({.a = link.gpu,
                            .b = peer,
                            .kind = LinkKind::kNvlink,
                            .gigabytes_per_second = NvlinkGigabytesPerSecond(version) * link.count,
                            .count = link.count});
    }
    return {};
  }

  void ConnectSockets() {
    const std::vector<int> numas = out_.All(PartKind::kNuma);
    for (std::size_t a = 0; a < numas.size(); ++a) {
      for (std::size_t b = a + 1; b < numas.size(); ++b) {
        out_.links.push_back({numas[a], numas[b], LinkKind::kSocket});
      }
    }
  }

  struct Nvlink {
    int gpu = -1;
    const XmlElement* element = nullptr;
    std::string target = "";
    std::string target_class = "";
    int count = 0;
  };

  const std::string& name_;
  Topology out_;
  int host_ = -1;
  std::set<int> numa_ids_;
  std::map<std::string, int> line_of_;  // of each PCI address
  std::vector<Nvlink> nvlinks_;         // wait until all GPUs are known
};

}  // namespace

base::Result<Topology> FromNcclXml(std::string_view xml, const std::string& name) {
  BASE_ASSIGN_OR_RETURN(const XmlElement root, ParseXml(xml, name));
  return Importer(name).Import(root);
}

}  // namespace regatta::topology

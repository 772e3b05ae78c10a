#include "topology/hwloc.h"

#include <hwloc.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "topology/vendors.h"

namespace regatta::topology {
namespace {

constexpr std::size_t kLargestXml = 64u << 20;
// Each direction of one link, of the second generation to the fourth.
constexpr double kNvlinkGigabytesPerSecond = 25;

struct Destroy {
  void operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
};
using Handle = std::unique_ptr<hwloc_topology, Destroy>;

std::string Info(hwloc_obj_t object, const char* name) {
  const char* value = hwloc_obj_get_info_by_name(object, name);
  return value == nullptr ? "" : CleanName(value);
}

std::string CpuList(hwloc_const_cpuset_t set) {
  char* text = nullptr;
  if (set == nullptr || hwloc_bitmap_list_asprintf(&text, set) < 0) return "";
  std::string list = text;
  std::free(text);
  return list;
}

// Turns one loaded hwloc topology into ours.
class Converter {
 public:
  explicit Converter(hwloc_topology_t hwloc) : hwloc_(hwloc) {}

  Topology Convert() {
    const hwloc_obj_t machine = hwloc_get_root_obj(hwloc_);
    std::string name = Info(machine, "HostName");
    host_ = out_.Add({.kind = PartKind::kHost,
                      .name = name.empty() ? "host" : name,
                      .cpus = CpuList(machine->cpuset),
                      .model = Info(machine, "DMIProductName")});
    if (const std::string arch = Info(machine, "Architecture"); !arch.empty()) {
      out_.parts[host_].extra["arch"] = arch;
    }
    ConvertProcessors(machine);
    ConvertCores();
    LinkSockets();
    ConvertIo();
    ConvertNvlinks();
    return std::move(out_);
  }

 private:
  struct Placed {
    int part;
    hwloc_const_cpuset_t cpus;
    PartKind kind;
    hwloc_obj_t object;
  };

  void Collect(hwloc_obj_type_t type, PartKind kind, std::vector<Placed>* into) {
    for (hwloc_obj_t object = hwloc_get_next_obj_by_type(hwloc_, type, nullptr); object != nullptr;
         object = hwloc_get_next_obj_by_type(hwloc_, type, object)) {
      into->push_back({-1, object->cpuset, kind, object});
    }
  }

  // Which of these is inside which differs between machines (a NUMA node may be half a socket or
  // two of them), so the tree is made from the sets of processors.
  void ConvertProcessors(hwloc_obj_t machine) {
    std::vector<Placed> found;
    Collect(HWLOC_OBJ_PACKAGE, PartKind::kSocket, &found);
    Collect(HWLOC_OBJ_NUMANODE, PartKind::kNuma, &found);
    Collect(HWLOC_OBJ_L3CACHE, PartKind::kCache, &found);
    std::stable_sort(found.begin(), found.end(), [](const Placed& a, const Placed& b) {
      const int weight_a = hwloc_bitmap_weight(a.cpus);
      const int weight_b = hwloc_bitmap_weight(b.cpus);
      return weight_a != weight_b ? weight_a > weight_b : a.kind < b.kind;
    });
    placed_.push_back({host_, machine->cpuset, PartKind::kHost, machine});
    for (Placed& one : found) {
      const Placed* parent = &placed_.front();
      for (const Placed& above : placed_) {
        // Memory without processors (CXL) hangs on the host; equal sets of one kind are siblings.
        if (hwloc_bitmap_iszero(one.cpus) || above.kind == one.kind) continue;
        if (hwloc_bitmap_isincluded(one.cpus, above.cpus)) parent = &above;
      }
      one.part = out_.Add(PartOf(one, parent->part));
      placed_.push_back(one);
    }
  }

  static Part PartOf(const Placed& one, int parent) {
    const int index = static_cast<int>(one.object->os_index);
    Part part = {.kind = one.kind, .parent = parent, .index = index, .cpus = CpuList(one.cpus)};
    switch (one.kind) {
      case PartKind::kSocket:
        part.name = "socket " + std::to_string(index);
        part.vendor = Info(one.object, "CPUVendor");
        part.model = Info(one.object, "CPUModel");
        part.extra = {{"family", Info(one.object, "CPUFamilyNumber")},
                      {"model_number", Info(one.object, "CPUModelNumber")}};
        std::erase_if(part.extra, [](const auto& entry) { return entry.second.empty(); });
        break;
      case PartKind::kNuma:
        part.name = "NUMA node " + std::to_string(index);
        part.bytes = static_cast<std::int64_t>(one.object->attr->numanode.local_memory);
        break;
      default:
        part.level = static_cast<int>(one.object->attr->cache.depth);
        part.name = "L" + std::to_string(part.level) + " cache";
        part.bytes = static_cast<std::int64_t>(one.object->attr->cache.size);
        // hwloc 2.0 gives caches no number of their own on some systems.
        if (one.object->os_index == HWLOC_UNKNOWN_INDEX) part.index = -1;
    }
    return part;
  }

  // One kCores for each innermost processor part.
  void ConvertCores() {
    std::map<int, std::vector<hwloc_obj_t>> by_parent;
    for (hwloc_obj_t core = hwloc_get_next_obj_by_type(hwloc_, HWLOC_OBJ_CORE, nullptr);
         core != nullptr; core = hwloc_get_next_obj_by_type(hwloc_, HWLOC_OBJ_CORE, core)) {
      int parent = host_;
      for (const Placed& above : placed_) {
        if (hwloc_bitmap_isincluded(core->cpuset, above.cpus)) parent = above.part;
      }
      by_parent[parent].push_back(core);
    }
    for (const auto& [parent, cores] : by_parent) {
      hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
      for (const hwloc_obj_t core : cores) hwloc_bitmap_or(cpus, cpus, core->cpuset);
      Part part = {.kind = PartKind::kCores,
                   .name = std::to_string(cores.size()) + (cores.size() == 1 ? " core" : " cores"),
                   .parent = parent,
                   .cpus = CpuList(cpus),
                   .cores = static_cast<int>(cores.size()),
                   .threads = hwloc_bitmap_weight(cpus)};
      hwloc_bitmap_free(cpus);
      for (hwloc_obj_t up = cores.front()->parent; up != nullptr; up = up->parent) {
        if (up->type == HWLOC_OBJ_L1CACHE)
          part.extra["l1d_bytes"] = std::to_string(up->attr->cache.size);
        if (up->type == HWLOC_OBJ_L2CACHE)
          part.extra["l2_bytes"] = std::to_string(up->attr->cache.size);
      }
      out_.Add(std::move(part));
    }
  }

  // Which pairs of sockets are wired directly is not told; all are taken to be.
  void LinkSockets() {
    const std::vector<int> sockets = out_.All(PartKind::kSocket);
    for (std::size_t a = 0; a < sockets.size(); ++a) {
      for (std::size_t b = a + 1; b < sockets.size(); ++b) {
        out_.links.push_back({sockets[a], sockets[b], LinkKind::kSocket});
      }
    }
  }

  void ConvertIo() {
    for (hwloc_obj_t bridge = hwloc_get_next_bridge(hwloc_, nullptr); bridge != nullptr;
         bridge = hwloc_get_next_bridge(hwloc_, bridge)) {
      if (bridge->attr->bridge.upstream_type != HWLOC_OBJ_BRIDGE_HOST) continue;
      if (!HoldsDevices(bridge)) continue;
      const auto& bus = bridge->attr->bridge.downstream.pci;
      char name[32];
      std::snprintf(name, sizeof name, "PCIe bus %04x:%02x", bus.domain, bus.secondary_bus);
      const int part =
          out_.Add({.kind = PartKind::kHostBridge, .name = name, .parent = Near(bridge)});
      for (hwloc_obj_t child = bridge->io_first_child; child != nullptr;
           child = child->next_sibling) {
        ConvertPci(child, part);
      }
    }
  }

  // The processor part that a host bridge hangs on: the NUMA node where there is one.
  int Near(hwloc_obj_t bridge) {
    const hwloc_obj_t local = hwloc_get_non_io_ancestor_obj(hwloc_, bridge);
    int near = host_;
    if (local == nullptr || hwloc_bitmap_iszero(local->cpuset)) return near;
    int numas = 0;
    int numa = -1;
    for (const Placed& one : placed_) {
      if (one.kind == PartKind::kCache) continue;
      if (hwloc_bitmap_isincluded(local->cpuset, one.cpus)) near = one.part;
      if (one.kind == PartKind::kNuma && hwloc_bitmap_isincluded(one.cpus, local->cpuset)) {
        ++numas;
        numa = one.part;
      }
    }
    if (out_.parts[near].kind != PartKind::kNuma && numas == 1) near = numa;
    return near;
  }

  static PciRole RoleOfObject(hwloc_obj_t object) {
    const auto& pci = object->attr->pcidev;
    const bool integrated = pci.bus == 0 && pci.dev == 2;
    return RoleOf(pci.class_id, pci.vendor_id, integrated);
  }

  static bool HoldsDevices(hwloc_obj_t object) {
    if (object->type == HWLOC_OBJ_PCI_DEVICE) return RoleOfObject(object) != PciRole::kOther;
    for (hwloc_obj_t child = object->io_first_child; child != nullptr;
         child = child->next_sibling) {
      if (HoldsDevices(child)) return true;
    }
    return false;
  }

  void ConvertPci(hwloc_obj_t object, int parent) {
    if (!HoldsDevices(object)) return;
    if (object->type == HWLOC_OBJ_PCI_DEVICE) {
      ConvertDevice(object, parent);
      return;
    }
    if (object->type != HWLOC_OBJ_BRIDGE) return;
    // Root ports and the ports of a switch have one thing behind them and are no place of their
    // own; a switch is where ways part.
    int children = 0;
    for (hwloc_obj_t child = object->io_first_child; child != nullptr;
         child = child->next_sibling) {
      if (HoldsDevices(child)) ++children;
    }
    int here = parent;
    if (children > 1) {
      const auto& pci = object->attr->bridge.upstream.pci;
      const std::string bus_id = BusId(pci);
      here = out_.Add({.kind = PartKind::kBridge,
                       .name = "PCIe switch",
                       .parent = parent,
                       .bus_id = bus_id,
                       .vendor = VendorName(pci.vendor_id),
                       .extra = PciExtra(pci)});
      AddPcieLink(here, parent, pci.linkspeed);
    }
    for (hwloc_obj_t child = object->io_first_child; child != nullptr;
         child = child->next_sibling) {
      ConvertPci(child, here);
    }
  }

  static std::string BusId(const hwloc_obj_attr_u::hwloc_pcidev_attr_s& pci) {
    char text[32];
    std::snprintf(text, sizeof text, "%04x:%02x:%02x.%x", pci.domain, pci.bus, pci.dev, pci.func);
    return text;
  }

  static std::map<std::string, std::string> PciExtra(
      const hwloc_obj_attr_u::hwloc_pcidev_attr_s& pci) {
    char class_text[16];
    char device[16];
    std::snprintf(class_text, sizeof class_text, "0x%04x00", pci.class_id);
    std::snprintf(device, sizeof device, "%04x:%04x", pci.vendor_id, pci.device_id);
    return {{"class", class_text}, {"pci_device", device}};
  }

  void AddPcieLink(int part, int above, float gigabytes_per_second) {
    out_.links.push_back({part, above, LinkKind::kPcie, static_cast<double>(gigabytes_per_second)});
  }

  void ConvertDevice(hwloc_obj_t object, int parent) {
    const auto& pci = object->attr->pcidev;
    const bool nic = RoleOfObject(object) == PciRole::kNic;
    Part part = {.kind = nic ? PartKind::kNic : PartKind::kAccelerator,
                 .parent = parent,
                 .bus_id = BusId(pci),
                 .vendor = VendorName(pci.vendor_id),
                 .extra = PciExtra(pci)};
    if (part.vendor.empty()) part.vendor = Info(object, "PCIVendor");
    part.model = Info(object, "PCIDevice");
    for (hwloc_obj_t os = object->io_first_child; os != nullptr; os = os->next_sibling) {
      if (os->type == HWLOC_OBJ_OS_DEVICE) AddOsDevice(os, &part);
    }
    if (part.name.empty()) part.name = part.bus_id;
    const int index = out_.Add(std::move(part));
    AddPcieLink(index, parent, pci.linkspeed);
    by_object_[object] = index;
  }

  static void AddOsDevice(hwloc_obj_t os, Part* part) {
    const std::string name = os->name == nullptr ? "" : os->name;
    switch (os->attr->osdev.type) {
      case HWLOC_OBJ_OSDEV_OPENFABRICS:
        // The name that RDMA programs and NCCL use wins over the interface's.
        part->name = name;
        part->extra["rdma_device"] = name;
        if (const std::string guid = Info(os, "NodeGUID"); !guid.empty())
          part->extra["guid"] = guid;
        break;
      case HWLOC_OBJ_OSDEV_NETWORK:
        if (part->name.empty()) part->name = name;
        part->extra["interface"] = name;
        break;
      case HWLOC_OBJ_OSDEV_COPROC:
      case HWLOC_OBJ_OSDEV_GPU:
        if (part->kind != PartKind::kAccelerator) break;
        if (name.starts_with("nvml")) {
          part->index = std::atoi(name.c_str() + 4);
          part->name = "GPU " + std::to_string(part->index);
        }
        if (name.starts_with("rsmi") || part->name.empty()) part->name = name;
        if (const std::string model = Info(os, "GPUModel"); !model.empty()) part->model = model;
        break;
      default:
        break;
    }
  }

  // hwloc has a matrix of MB/s between GPUs and NVSwitches, with a huge value on the diagonal.
  void ConvertNvlinks() {
    unsigned count = 1;
    hwloc_distances_s* matrix = nullptr;
    if (hwloc_distances_get_by_name(hwloc_, "NVLinkBandwidth", &count, &matrix, 0) != 0 ||
        count == 0) {
      return;
    }
    for (unsigned a = 0; a < matrix->nbobjs; ++a) {
      for (unsigned b = a + 1; b < matrix->nbobjs; ++b) {
        const int part_a = NvlinkEnd(matrix->objs[a]);
        const int part_b = NvlinkEnd(matrix->objs[b]);
        const double speed = static_cast<double>(matrix->values[a * matrix->nbobjs + b]) / 1000;
        if (part_a < 0 || part_b < 0 || part_a == part_b || speed <= 0) continue;
        const int count =
            std::max(1, static_cast<int>(std::lround(speed / kNvlinkGigabytesPerSecond)));
        out_.links.push_back({.a = part_a,
                              .b = part_b,
                              .kind = LinkKind::kNvlink,
                              .gigabytes_per_second = speed,
                              .count = count});
      }
    }
    hwloc_distances_release(hwloc_, matrix);
  }

  // The accelerator that this object is or is of, or the switch, which is made when it is met
  // first.
  int NvlinkEnd(hwloc_obj_t object) {
    for (hwloc_obj_t up = object; up != nullptr; up = up->parent) {
      if (const auto found = by_object_.find(up); found != by_object_.end()) return found->second;
    }
    if (object == nullptr || object->type != HWLOC_OBJ_PCI_DEVICE) return -1;
    const int index = out_.Add({.kind = PartKind::kSwitch,
                                .name = "NVSwitch " + std::to_string(switches_++),
                                .bus_id = BusId(object->attr->pcidev),
                                .vendor = VendorName(object->attr->pcidev.vendor_id),
                                .extra = PciExtra(object->attr->pcidev)});
    by_object_[object] = index;
    return index;
  }

  hwloc_topology_t hwloc_;
  Topology out_;
  int host_ = 0;
  std::vector<Placed> placed_;  // processor parts, the larger first
  std::map<hwloc_obj_t, int> by_object_;
  int switches_ = 0;
};

Handle Prepare() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) return nullptr;
  Handle topology(raw);
  hwloc_topology_set_io_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
  // These load and start vendor libraries; our own look at NVML is separate and says what it found.
  for (const char* component : {"cuda", "nvml", "rsmi", "levelzero", "opencl", "gl"}) {
    hwloc_topology_set_components(raw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, component);
  }
  return topology;
}

base::Result<Handle> LoadThisMachine() {
  Handle topology = Prepare();
  if (topology == nullptr || hwloc_topology_load(topology.get()) != 0) {
    return base::Status(
        base::Code::kInternal,
        std::string("hwloc cannot read this machine's topology: ") + std::strerror(errno));
  }
  return topology;
}

}  // namespace

base::Result<Topology> DetectWithHwloc() {
  BASE_ASSIGN_OR_RETURN(const Handle topology, LoadThisMachine());
  return Converter(topology.get()).Convert();
}

base::Result<Topology> FromHwlocXml(std::string_view xml, const std::string& name) {
  if (xml.size() > kLargestXml) {
    return base::Status(base::Code::kOutOfRange,
                        name + ": larger than 64 MiB, which no hwloc XML is");
  }
  const Handle topology = Prepare();
  // hwloc wants the terminating zero, and counts it.
  const std::string text(xml);
  if (topology == nullptr ||
      hwloc_topology_set_xmlbuffer(topology.get(), text.c_str(),
                                   static_cast<int>(text.size()) + 1) != 0 ||
      hwloc_topology_load(topology.get()) != 0) {
    return base::Status(
        base::Code::kInvalidArgument,
        name +
            ": hwloc does not take it as a topology; `lstopo machine.xml` writes one "
            "that it does (HWLOC_XML_VERBOSE=1 makes it say where it stopped)");
  }
  return Converter(topology.get()).Convert();
}

}  // namespace regatta::topology

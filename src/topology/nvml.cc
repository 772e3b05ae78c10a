#include "topology/nvml.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <map>

#include "topology/vendors.h"

namespace regatta::topology {
namespace {

// The part of nvml.h that is needed, declared here so that no NVIDIA package is needed to build.
// Layouts and names are NVML's stable ABI ("NVML API Reference Guide").
using Device = struct NvmlDevice*;
struct PciInfo {
  char bus_id_legacy[16];
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned pci_device_id;
  unsigned pci_subsystem_id;
  char bus_id[32];
};
struct Memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};
constexpr int kSuccess = 0;
constexpr unsigned kMostLinks = 18;    // NVML_NVLINK_MAX_LINKS
constexpr unsigned kRemoteSwitch = 2;  // NVML_NVLINK_DEVICE_TYPE_SWITCH

struct Api {
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  const char* (*error_text)(int) = nullptr;
  int (*count)(unsigned*) = nullptr;
  int (*by_index)(unsigned, Device*) = nullptr;
  int (*name)(Device, char*, unsigned) = nullptr;
  int (*pci)(Device, PciInfo*) = nullptr;
  int (*memory)(Device, Memory*) = nullptr;
  int (*capability)(Device, int*, int*) = nullptr;
  // Older drivers lack these.
  int (*link_state)(Device, unsigned, unsigned*) = nullptr;
  int (*link_remote)(Device, unsigned, PciInfo*) = nullptr;
  int (*link_remote_type)(Device, unsigned, unsigned*) = nullptr;
};

class Library {
 public:
  explicit Library(const std::string& path)
      : handle_(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {}
  ~Library() {
    if (handle_ != nullptr) ::dlclose(handle_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  explicit operator bool() const { return handle_ != nullptr; }

  template <typename Function>
  bool Load(const char* symbol, Function* into) const {
    *into = reinterpret_cast<Function>(::dlsym(handle_, symbol));
    return *into != nullptr;
  }

 private:
  void* handle_;
};

// False where the library lacks a function that drivers from 418 on have.
bool LoadApi(const Library& library, Api* api) {
  const bool all = library.Load("nvmlInit_v2", &api->init) &&
                   library.Load("nvmlShutdown", &api->shutdown) &&
                   library.Load("nvmlErrorString", &api->error_text) &&
                   library.Load("nvmlDeviceGetCount_v2", &api->count) &&
                   library.Load("nvmlDeviceGetHandleByIndex_v2", &api->by_index) &&
                   library.Load("nvmlDeviceGetName", &api->name) &&
                   library.Load("nvmlDeviceGetPciInfo_v3", &api->pci) &&
                   library.Load("nvmlDeviceGetMemoryInfo", &api->memory) &&
                   library.Load("nvmlDeviceGetCudaComputeCapability", &api->capability);
  library.Load("nvmlDeviceGetNvLinkState", &api->link_state);
  library.Load("nvmlDeviceGetNvLinkRemotePciInfo_v2", &api->link_remote);
  library.Load("nvmlDeviceGetNvLinkRemoteDeviceType", &api->link_remote_type);
  return all;
}

class Reader {
 public:
  Reader(const Api& api, int host, Topology* topology)
      : api_(api), host_(host), topology_(*topology) {}

  base::Status Read() {
    unsigned count = 0;
    if (const int code = api_.count(&count); code != kSuccess)
      return Failed("cannot count GPUs", code);
    std::vector<std::pair<Device, int>> devices;
    for (unsigned i = 0; i < count; ++i) {
      Device device = nullptr;
      // A GPU that this user may not see, or that fell off the bus, does not hide the others.
      if (const int code = api_.by_index(i, &device); code != kSuccess) {
        topology_.notes.push_back(Failed("cannot open GPU " + std::to_string(i), code).message());
        continue;
      }
      devices.emplace_back(device, ReadDevice(device, static_cast<int>(i)));
    }
    for (const auto& [device, part] : devices) ReadLinks(device, part);
    AddLinks();
    return {};
  }

 private:
  base::Status Failed(const std::string& what, int code) const {
    return base::Status(base::Code::kUnavailable, "NVML: " + what + ": " + api_.error_text(code));
  }

  int ReadDevice(Device device, int index) {
    PciInfo pci = {};
    std::string bus_id;
    if (api_.pci(device, &pci) == kSuccess) {
      pci.bus_id[sizeof pci.bus_id - 1] = '\0';
      bus_id = NormalBusId(pci.bus_id);
    }
    int found = topology_.FindBusId(bus_id, host_);
    if (found < 0) {
      found = topology_.Add({.kind = PartKind::kAccelerator, .parent = host_, .bus_id = bus_id});
    }
    Part& part = topology_.parts[found];
    part.name = "GPU " + std::to_string(index);
    part.index = index;
    part.vendor = "NVIDIA";
    char name[96] = {};
    if (api_.name(device, name, sizeof name) == kSuccess) part.model = CleanName(name);
    Memory memory = {};
    if (api_.memory(device, &memory) == kSuccess)
      part.bytes = static_cast<std::int64_t>(memory.total);
    int major = 0;
    int minor = 0;
    if (api_.capability(device, &major, &minor) == kSuccess)
      part.compute_version = major * 10 + minor;
    return found;
  }

  void ReadLinks(Device device, int part) {
    if (api_.link_state == nullptr || api_.link_remote == nullptr) return;
    for (unsigned link = 0; link < kMostLinks; ++link) {
      unsigned active = 0;
      if (api_.link_state(device, link, &active) != kSuccess || active == 0) continue;
      unsigned type = 0;
      const bool to_switch = api_.link_remote_type != nullptr &&
                             api_.link_remote_type(device, link, &type) == kSuccess &&
                             type == kRemoteSwitch;
      if (to_switch) {
        ++links_[{part, -1}];
        continue;
      }
      PciInfo remote = {};
      if (api_.link_remote(device, link, &remote) != kSuccess) continue;
      remote.bus_id[sizeof remote.bus_id - 1] = '\0';
      const int peer = topology_.FindBusId(remote.bus_id, host_);
      if (peer >= 0) {
        // Each end tells of the link; it is counted where it begins.
        if (part < peer) ++links_[{part, peer}];
      } else {
        ++links_[{part, -1}];  // what is no GPU of ours and no part of the tree is the switch
      }
    }
  }

  void AddLinks() {
    int hub = -1;
    for (const auto& [ends, count] : links_) {
      int peer = ends.second;
      if (peer < 0) {
        if (hub < 0) {
          hub = topology_.Add({.kind = PartKind::kSwitch, .name = "NVSwitch", .vendor = "NVIDIA"});
        }
        peer = hub;
      }
      const double each = NvlinkGigabytesPerSecond(topology_.parts[ends.first].compute_version);
      topology_.links.push_back({.a = ends.first,
                                 .b = peer,
                                 .kind = LinkKind::kNvlink,
                                 .gigabytes_per_second = each * count,
                                 .count = count});
    }
  }

  const Api& api_;
  int host_;
  Topology& topology_;
  std::map<std::pair<int, int>, int> links_;  // from a GPU to a GPU, or to -1: a switch
};

}  // namespace

double NvlinkGigabytesPerSecond(int compute_version) {
  static constexpr std::array<std::pair<int, double>, 6> kTable = {
      {{60, 18}, {70, 20}, {80, 20}, {86, 12}, {90, 20.6}, {100, 40.1}}};
  for (const auto& [version, speed] : kTable) {
    if (version == compute_version) return speed;
  }
  return 0;
}

base::Status AddNvmlDevices(int host, Topology* topology, const std::string& path) {
  const Library library(path);
  if (!library) {
    return base::Status(base::Code::kNotFound,
                        "no NVIDIA driver: " + path + " is not here, so no NVIDIA GPU was asked");
  }
  Api api;
  if (!LoadApi(library, &api)) {
    return base::Status(base::Code::kUnavailable,
                        "NVML: " + path + " lacks functions that drivers from 418 on have");
  }
  if (const int code = api.init(); code != kSuccess) {
    return base::Status(base::Code::kUnavailable,
                        std::string("NVML does not start: ") + api.error_text(code));
  }
  const base::Status status = Reader(api, host, topology).Read();
  api.shutdown();
  return status;
}

}  // namespace regatta::topology

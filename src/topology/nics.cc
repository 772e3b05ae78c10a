#include "topology/nics.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"

namespace regatta::topology {
namespace {

namespace fs = std::filesystem;

std::string ReadLine(const fs::path& path) {
  const auto text = base::ReadFile(path.string(), 4096);
  return text.ok() ? text->substr(0, text->find('\n')) : "";
}

struct SystemNic {
  std::string interface;
  std::string rdma_device;
  std::string bus_id;  // "" without a device behind it
  double gigabytes_per_second = 0;
  bool up = false;
};

// The PCI function that a device hangs on, over virtio's and the like's own level.
std::string BusIdOf(const fs::path& device) {
  std::error_code error;
  std::string bus_id;
  for (const fs::path& piece : fs::weakly_canonical(device, error)) {
    // "pci0000:00" is a root bus, "0000:00:03.0" a function; the last one is the nearest.
    if (const std::string normal = NormalBusId(piece.string()); !normal.empty()) bus_id = normal;
  }
  return bus_id;
}

std::vector<fs::path> Entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::vector<SystemNic> ReadSystem(const fs::path& root) {
  std::vector<SystemNic> nics;
  for (const fs::path& entry : Entries(root / "sys/class/net")) {
    SystemNic nic{.interface = entry.filename().string()};
    if (ReadLine(entry / "type") == "772") continue;  // loopback: ARPHRD_LOOPBACK
    if (fs::exists(entry / "device")) nic.bus_id = BusIdOf(entry / "device");
    nic.up = ReadLine(entry / "operstate") != "down";
    // Mbit/s; -1 where the driver does not know.
    const double speed = std::strtod(ReadLine(entry / "speed").c_str(), nullptr);
    if (speed > 0) nic.gigabytes_per_second = speed / 8000;
    nics.push_back(nic);
  }
  for (const fs::path& entry : Entries(root / "sys/class/infiniband")) {
    const std::string bus_id = BusIdOf(entry / "device");
    auto nic = std::find_if(nics.begin(), nics.end(), [&](const SystemNic& one) {
      return !bus_id.empty() && one.bus_id == bus_id;
    });
    if (nic == nics.end()) nic = nics.insert(nics.end(), SystemNic{.bus_id = bus_id});
    nic->rdma_device = entry.filename().string();
    for (const fs::path& port : Entries(entry / "ports")) {
      // "200 Gb/sec (4X HDR)", "4: ACTIVE".
      const double rate = std::strtod(ReadLine(port / "rate").c_str(), nullptr);
      nic->gigabytes_per_second = std::max(nic->gigabytes_per_second, rate / 8);
      nic->up = nic->up || ReadLine(port / "state").find("ACTIVE") != std::string::npos;
    }
  }
  return nics;
}

int FindNic(const Topology& topology, int host, const SystemNic& nic) {
  const int by_address = topology.FindBusId(nic.bus_id, host);
  if (by_address >= 0 && topology.parts[by_address].kind == PartKind::kNic) return by_address;
  return -1;
}

}  // namespace

void AddNics(int host, Topology* topology, const std::string& root) {
  const std::vector<SystemNic> nics = ReadSystem(root.empty() ? "/" : root);
  const bool any_device = std::any_of(nics.begin(), nics.end(),
                                      [](const SystemNic& nic) { return !nic.bus_id.empty(); });
  for (const SystemNic& nic : nics) {
    if (nic.bus_id.empty() && (any_device || !nic.up)) continue;
    int part = FindNic(*topology, host, nic);
    if (part < 0) {
      part = topology->Add({.kind = PartKind::kNic, .parent = host, .bus_id = nic.bus_id});
    }
    Part& filled = topology->parts[part];
    filled.name = nic.rdma_device.empty() ? nic.interface : nic.rdma_device;
    filled.gigabytes_per_second = nic.gigabytes_per_second;
    if (!nic.interface.empty()) filled.extra["interface"] = nic.interface;
    if (!nic.rdma_device.empty()) filled.extra["rdma_device"] = nic.rdma_device;
    filled.extra["state"] = nic.up ? "up" : "down";
    if (nic.bus_id.empty()) filled.extra["virtual"] = "yes";
  }
}

void GuessRails(Topology* topology) {
  for (const int host : topology->All(PartKind::kHost)) {
    std::vector<int> nics;
    for (const int nic : topology->All(PartKind::kNic)) {
      const Part& part = topology->parts[nic];
      if (topology->Above(nic, PartKind::kHost) != host) continue;
      const auto state = part.extra.find("state");
      if (state != part.extra.end() && state->second == "down") continue;
      nics.push_back(nic);
    }
    if (std::any_of(nics.begin(), nics.end(),
                    [&](int nic) { return topology->parts[nic].rail >= 0; })) {
      continue;
    }
    const auto is_rdma = [&](int nic) {
      return topology->parts[nic].extra.contains("rdma_device");
    };
    if (std::any_of(nics.begin(), nics.end(), is_rdma)) {
      std::erase_if(nics, [&](int nic) { return !is_rdma(nic); });
    }
    double fastest = 0;
    for (const int nic : nics) {
      fastest = std::max(fastest, topology->parts[nic].gigabytes_per_second);
    }
    std::erase_if(
        nics, [&](int nic) { return topology->parts[nic].gigabytes_per_second < 0.9 * fastest; });
    if (nics.size() < 2) continue;
    std::stable_sort(nics.begin(), nics.end(), [&](int a, int b) {
      return topology->parts[a].bus_id < topology->parts[b].bus_id;
    });
    for (std::size_t rail = 0; rail < nics.size(); ++rail) {
      topology->parts[nics[rail]].rail = static_cast<int>(rail);
    }
  }
}

}  // namespace regatta::topology

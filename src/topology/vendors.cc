#include "topology/vendors.h"

#include <algorithm>
#include <array>

namespace regatta::topology {
namespace {

struct Vendor {
  std::uint16_t id;
  const char* name;
  bool makes_accelerators;
};

constexpr std::array kVendors = {
    Vendor{0x1002, "AMD", true},           Vendor{0x1022, "AMD", false},
    Vendor{0x10de, "NVIDIA", true},        Vendor{0x14e4, "Broadcom", false},
    Vendor{0x15b3, "Mellanox", false},     Vendor{0x19e5, "Huawei", true},
    Vendor{0x1af4, "virtio", false},       Vendor{0x1d0f, "Amazon", false},
    Vendor{0x1d22, "Baidu", true},         Vendor{0x1d94, "Hygon", true},
    Vendor{0x1da3, "Habana", true},        Vendor{0x1e36, "Enflame", true},
    Vendor{0x1e3e, "Iluvatar", true},      Vendor{0x1e52, "Tenstorrent", true},
    Vendor{0x1ed5, "Moore Threads", true}, Vendor{0x8086, "Intel", true},
    Vendor{0xcabc, "Cambricon", true},
};

const Vendor* Find(std::uint16_t id) {
  const auto found = std::find_if(kVendors.begin(), kVendors.end(),
                                  [id](const Vendor& vendor) { return vendor.id == id; });
  return found == kVendors.end() ? nullptr : &*found;
}

}  // namespace

PciRole RoleOf(std::uint16_t pci_class, std::uint16_t vendor, bool on_root_bus) {
  if (pci_class == 0x0200 || pci_class == 0x0207) return PciRole::kNic;
  if (pci_class == 0x1200) return PciRole::kAccelerator;
  if ((pci_class >> 8) != 0x03) return PciRole::kOther;
  const Vendor* maker = Find(vendor);
  if (maker == nullptr || !maker->makes_accelerators) return PciRole::kOther;
  if (vendor == 0x8086 && on_root_bus) return PciRole::kOther;
  return PciRole::kAccelerator;
}

std::string VendorName(std::uint16_t vendor) {
  const Vendor* found = Find(vendor);
  return found == nullptr ? "" : found->name;
}

std::string CleanName(std::string_view text) {
  std::string clean;
  for (const char c : text) {
    const bool blank = static_cast<unsigned char>(c) <= ' ' || c == 0x7f;
    if (!blank) {
      clean += c;
    } else if (!clean.empty() && clean.back() != ' ') {
      clean += ' ';
    }
  }
  while (!clean.empty() && std::string_view(" ,;").find(clean.back()) != std::string_view::npos) {
    clean.pop_back();
  }
  clean.erase(0, std::min(clean.find_first_not_of(" ,;"), clean.size()));
  return clean;
}

}  // namespace regatta::topology

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace regatta::topology {

// What a PCI device is to us, by class and vendor (both of the PCI code and ID assignment
// specification; vendors from the pci.ids list).
enum class PciRole : std::uint8_t { kOther, kNic, kAccelerator };

// Class 0x0200 (Ethernet) and 0x0207 (InfiniBand) are NICs. Class 0x1200 (processing accelerators)
// is an accelerator, whoever made it; a display controller (0x03xx) is one when its maker makes
// accelerators: the small display chips of servers (ASPEED, Matrox) are not. An Intel processor's
// own graphics (bus 0, device 2) is not, either.
PciRole RoleOf(std::uint16_t pci_class, std::uint16_t vendor, bool on_root_bus);

// "NVIDIA", "AMD", ...; "" for makers that are not in the table.
std::string VendorName(std::uint16_t vendor);

// A name as a system gives it, made fit for sentences: without control characters, blanks in a row
// and what a list leaves behind ("AMD EPYC 7742 64-Core Processor   ", "NVIDIA ,").
std::string CleanName(std::string_view text);

}  // namespace regatta::topology

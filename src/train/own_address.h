#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace regatta::train {

// The IPv4 address from which packets to `peer` (a name or an address) leave this host; nothing is
// sent. With `interface` the address of that network interface. With neither the loopback address.
base::Result<std::string> OwnAddress(const std::string& peer, const std::string& interface);

// `count` different ports that nobody listens on now.
base::Result<std::vector<std::uint16_t>> FreePorts(int count);

}  // namespace regatta::train

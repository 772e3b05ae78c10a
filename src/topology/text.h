#pragma once

#include <cstdint>
#include <string>

#include "topology/topology.h"

namespace regatta::topology {

struct TextOptions {
  bool unicode = true;  // lines of the tree as "├─" rather than "|-"
};

// For people: the tree of each host, NVLinks, the distance of each pair of accelerators and NICs
// (up to 32 of them), limits, notes. Ends with a line break.
std::string RenderText(const Topology& topology, const TextOptions& options = {});

// "32 KiB", "1.2 MiB", "11 GiB".
std::string BytesText(std::int64_t bytes);
// "25 GB/s"; "" for 0.
std::string SpeedText(double gigabytes_per_second);
// Maker and model in one, "NVIDIA A100-SXM4-80GB": NVIDIA's models begin with its name already. ""
// where neither is known.
std::string ProductName(const Part& part);
// What is worth saying of a part beside its name: "0000:07:00.0, NVIDIA A100-SXM4-80GB, 80 GiB".
std::string Details(const Topology& topology, int part);

}  // namespace regatta::topology

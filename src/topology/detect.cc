#include "topology/detect.h"

#include <algorithm>

#include "base/file.h"
#include "topology/hwloc.h"
#include "topology/limits.h"
#include "topology/nccl_xml.h"
#include "topology/nics.h"
#include "topology/nvml.h"

namespace regatta::topology {
namespace {

constexpr std::size_t kLargestJson = 256u << 20;

// Its name, whatever comes before it; "" where there is none.
std::string_view FirstElement(std::string_view text) {
  for (std::size_t at = text.find('<'); at != text.npos; at = text.find('<', at + 1)) {
    if (text.substr(at).starts_with("<!--")) {
      at = std::min(text.find("-->", at), text.size() - 1);
      continue;
    }
    const std::size_t end = text.find_first_of(" \t\r\n/>", at);
    if (at + 1 < text.size() && text[at + 1] != '?' && text[at + 1] != '!' && end != text.npos) {
      return text.substr(at + 1, end - at - 1);
    }
  }
  return {};
}

}  // namespace

base::Result<Topology> Detect() {
  BASE_ASSIGN_OR_RETURN(Topology topology, DetectWithHwloc());
  const int host = topology.All(PartKind::kHost).front();
  AddNics(host, &topology);
  if (const base::Status status = AddNvmlDevices(host, &topology); !status.ok()) {
    topology.notes.push_back(status.message());
  }
  GuessRails(&topology);
  topology.limits = DetectLimits();
  if (topology.All(PartKind::kAccelerator).empty())
    topology.notes.emplace_back("no accelerator was found");
  if (topology.All(PartKind::kNic).size() > 1) {
    topology.notes.emplace_back(
        "rails are a guess from the order of PCI addresses; no probe was made");
  }
  return topology;
}

TextFormat FormatOf(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin != text.npos && text[begin] == '{') return TextFormat::kJson;
  return FirstElement(text) == "system" ? TextFormat::kNccl : TextFormat::kHwloc;
}

base::Result<Topology> ReadTopology(std::string_view text, const std::string& name,
                                    TextFormat format) {
  if (format == TextFormat::kJson) {
    auto json = base::ParseJson(text, {.bytes = kLargestJson});
    if (json.ok()) return FromJson(*json, name);
    return base::Status(json.status().code(), name + ": " + json.status().message());
  }
  BASE_ASSIGN_OR_RETURN(Topology topology, format == TextFormat::kNccl ? FromNcclXml(text, name)
                                                                       : FromHwlocXml(text, name));
  GuessRails(&topology);
  return topology;
}

base::Result<Topology> ReadTopologyFile(const std::string& path) {
  BASE_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path, kLargestJson));
  return ReadTopology(text, path);
}

}  // namespace regatta::topology

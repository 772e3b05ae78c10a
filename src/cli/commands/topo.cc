#include <cstdio>

#include "base/absl_status.h"
#include "base/json.h"
#include "cli/commands/commands.h"
#include "cli/terminal.h"
#include "topology/detect.h"
#include "topology/nccl_xml.h"
#include "topology/text.h"

namespace regatta::cli {

int ShowTopology(const Invocation& call, const base::Config&) {
  const auto topology =
      call.file.empty() ? topology::Detect() : topology::ReadTopologyFile(call.file);
  if (!topology.ok()) return Fail(ToAbsl(topology.status()));
  if (call.json) {
    std::printf("%s\n", base::DumpJson(topology::ToJson(*topology)).c_str());
  } else if (call.output == "nccl") {
    const auto xml = topology::ToNcclXml(*topology);
    if (!xml.ok()) return Fail(ToAbsl(xml.status()));
    std::printf("%s", xml->c_str());
  } else {
    std::printf("%s",
                topology::RenderText(*topology, {.unicode = LookAtTerminal().unicode}).c_str());
  }
  return 0;
}

}  // namespace regatta::cli

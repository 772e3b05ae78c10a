// Where topologies come from and how they are written.
#include "base/file.h"
#include "topology/api/guard.h"
#include "topology/api/hwloc_stand_in.h"
#include "topology/detect.h"
#include "topology/hwloc.h"
#include "topology/nccl_xml.h"
#include "topology/nics.h"
#include "topology/svg.h"
#include "topology/text.h"

namespace regatta::topology {
namespace {

using base::Result;
using base::Status;

constexpr std::size_t kLargestText = 256u << 20;

Result<Topology> Read(std::string_view text, eccl_topo_format_t format, const std::string& name) {
  if (format == ECCL_TOPO_FORMAT_AUTO) {
    switch (FormatOf(text)) {
      case TextFormat::kJson:
        format = ECCL_TOPO_FORMAT_JSON;
        break;
      case TextFormat::kNccl:
        format = ECCL_TOPO_FORMAT_NCCL;
        break;
      case TextFormat::kHwloc:
        format = ECCL_TOPO_FORMAT_HWLOC;
    }
  }
  switch (format) {
    case ECCL_TOPO_FORMAT_JSON:
      return ReadTopology(text, name, TextFormat::kJson);
    case ECCL_TOPO_FORMAT_NCCL:
      return ReadTopology(text, name, TextFormat::kNccl);
    case ECCL_TOPO_FORMAT_HWLOC:
      BASE_RETURN_IF_ERROR(FindHwloc());
      return ReadTopology(text, name, TextFormat::kHwloc);
    default:
      return Invalid("format " + std::to_string(format) +
                     " cannot be read; AUTO, JSON, NCCL and HWLOC can");
  }
}

Result<std::string> Write(const Topology& topology, eccl_topo_format_t format, int host) {
  switch (format) {
    case ECCL_TOPO_FORMAT_JSON:
      return base::DumpJson(ToJson(topology));
    case ECCL_TOPO_FORMAT_NCCL:
      return ToNcclXml(topology, host);
    case ECCL_TOPO_FORMAT_SVG:
      return RenderSvg(topology);
    case ECCL_TOPO_FORMAT_TEXT:
      return RenderText(topology);
    default:
      return Invalid("format " + std::to_string(format) +
                     " cannot be written; JSON, NCCL, SVG and TEXT can");
  }
}

// Makes a handle of what `make` gives.
template <typename Make>
eccl_topo_result_t Give(eccl_topo_t* topo, Make make) {
  return Guarded([&]() -> Status {
    if (topo == nullptr) return IsNull("topo");
    *topo = nullptr;
    BASE_ASSIGN_OR_RETURN(Topology topology, make());
    *topo = PutTopology(std::move(topology));
    return {};
  });
}

}  // namespace
}  // namespace regatta::topology

using namespace regatta::topology;  // NOLINT(google-build-using-namespace): the entry points follow

extern "C" {

eccl_topo_result_t eccl_topo_detect(eccl_topo_t* topo) {
  return Give(topo, []() -> Result<Topology> {
    BASE_RETURN_IF_ERROR(FindHwloc());
    return Detect();
  });
}

eccl_topo_result_t eccl_topo_load(const char* text, size_t bytes, eccl_topo_format_t format,
                                  eccl_topo_t* topo) {
  return Give(topo, [&]() -> Result<Topology> {
    if (text == nullptr) return IsNull("text");
    return Read({text, bytes}, format, "topology");
  });
}

eccl_topo_result_t eccl_topo_load_file(const char* path, eccl_topo_t* topo) {
  return Give(topo, [&]() -> Result<Topology> {
    if (path == nullptr) return IsNull("path");
    BASE_ASSIGN_OR_RETURN(const std::string text, regatta::base::ReadFile(path, kLargestText));
    return Read(text, ECCL_TOPO_FORMAT_AUTO, path);
  });
}

eccl_topo_result_t eccl_topo_join(const eccl_topo_t* topos, int count, eccl_topo_t* joined) {
  return Give(joined, [&]() -> Result<Topology> {
    if (topos == nullptr) return IsNull("topos");
    if (count < 1) return Invalid("count is " + std::to_string(count) + "; it has to be 1 or more");
    Topology all;
    for (int i = 0; i < count; ++i) {
      const auto one = FindTopology(topos[i]);
      if (one == nullptr) {
        return Invalid("topos[" + std::to_string(i) +
                       "] is no topology: it was never made, or it was destroyed");
      }
      if (i == 0) all.limits = one->limits;
      Append(*one, &all);
    }
    return all;
  });
}

eccl_topo_result_t eccl_topo_destroy(eccl_topo_t topo) {
  return Guarded([&]() -> Status {
    if (TakeTopology(topo) != nullptr) return {};
    return Invalid("topo is no topology: it was never made, or it was destroyed");
  });
}

eccl_topo_result_t eccl_topo_export(eccl_topo_t topo, eccl_topo_format_t format, int host,
                                    char** text, size_t* length) {
  return WithTopology(topo, [&](const Topology& topology) -> Status {
    if (text == nullptr) return IsNull("text");
    BASE_ASSIGN_OR_RETURN(const std::string written, Write(topology, format, host));
    return GiveText(written, text, length);
  });
}

}  // extern "C"

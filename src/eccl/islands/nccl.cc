#include <cstdlib>

#include "device/library.h"
#include "eccl/islands/library.h"

namespace regatta::eccl {
namespace {

using base::Code;
using base::Status;

// NCCL's ncclGetVersion: 2.9 and newer count 10000 a major release, older ones 1000.
std::string VersionText(int version) {
  const int major = version >= 10000 ? version / 10000 : version / 1000;
  const int rest = version >= 10000 ? version % 10000 : version % 1000;
  return std::to_string(major) + "." + std::to_string(rest / 100) + "." +
         std::to_string(rest % 100);
}

}  // namespace

base::Result<std::shared_ptr<const IslandLibrary>> LoadNccl(const std::string& path) {
  BASE_ASSIGN_OR_RETURN(const device::Library file, device::Library::Open(path));
  auto library = std::make_shared<IslandLibrary>();
  int (*get_version)(int*) = nullptr;
  Status status;
  const auto load = [&](const char* symbol, auto* into) {
    if (status.ok()) status = file.Load(symbol, into);
  };
  load("ncclGetVersion", &get_version);
  load("ncclGetUniqueId", &library->get_unique_id);
  load("ncclCommInitRank", &library->init_rank);
  load("ncclCommDestroy", &library->destroy);
  load("ncclCommAbort", &library->abort);
  load("ncclCommGetAsyncError", &library->async_error);
  load("ncclGetErrorString", &library->error_text);
  load("ncclAllReduce", &library->all_reduce);
  load("ncclAllGather", &library->all_gather);
  load("ncclReduceScatter", &library->reduce_scatter);
  load("ncclBroadcast", &library->broadcast);
  load("ncclReduce", &library->reduce);
  BASE_RETURN_IF_ERROR(status);
  file.Find("ncclGetLastError", &library->last_error);
  int version = 0;
  if (get_version(&version) != IslandLibrary::kSuccess) {
    return Status(Code::kUnavailable, path + " does not tell its version");
  }
  library->name = "nccl";
  library->version = "nccl " + VersionText(version);
  return std::shared_ptr<const IslandLibrary>(std::move(library));
}

base::Result<std::shared_ptr<const IslandLibrary>> IslandLibraryOf(const device::Device& device) {
  const char* wanted = std::getenv("ECCL_NCCL");
  if (wanted != nullptr && std::string(wanted) == "0") {
    return Status(Code::kNotFound, "ECCL_NCCL=0");
  }
  if (device.kind() == "sim") return SimIslandLibrary();
  if (device.kind() != "cuda") {
    return Status(Code::kNotFound, "there is no library of collectives for " + device.kind());
  }
  const char* path = std::getenv("ECCL_NCCL_LIBRARY");
  static const auto nccl = LoadNccl(path != nullptr && *path != '\0' ? path : "libnccl.so.2");
  return nccl;
}

}  // namespace regatta::eccl

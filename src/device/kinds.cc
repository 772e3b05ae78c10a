#include "device/kinds.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "base/log.h"
#include "device/cuda.h"
#include "device/library.h"
#include "device/sim.h"

namespace regatta::device {
namespace {

using base::Code;
using base::Status;

struct Kinds {
  std::vector<const regattaDeviceApi*> apis;
  std::string refused;  // plug-ins, and why
};

const regattaDeviceApi* Find(const Kinds& kinds, const std::string& name) {
  const auto found = std::find_if(kinds.apis.begin(), kinds.apis.end(),
                                  [&](const auto* api) { return name == api->kind; });
  return found == kinds.apis.end() ? nullptr : *found;
}

const Kinds& TheKinds() {
  static const Kinds kinds = [] {
    Kinds made{.apis = {CudaApi(), SimApi()}};
    const char* paths = std::getenv("REGATTA_DEVICE_PLUGINS");
    std::istringstream list(paths != nullptr ? paths : "");
    for (std::string path; std::getline(list, path, ':');) {
      if (path.empty()) continue;
      auto api = LoadPlugin(path);
      Status status = api.status();
      if (status.ok() && Find(made, (*api)->kind) != nullptr) {
        status = Status(Code::kAlreadyExists,
                        path + ": there is a kind \"" + std::string((*api)->kind) + "\" already");
      }
      if (status.ok()) {
        made.apis.push_back(*api);
        continue;
      }
      base::Log(base::LogLevel::kWarning, "device", "a device plug-in cannot be used",
                {{"why", status.message()}});
      made.refused += "; " + status.message();
    }
    return made;
  }();
  return kinds;
}

// Every function is a pointer, and all lie behind `kind`.
bool IsComplete(const regattaDeviceApi& api) {
  const auto* words = reinterpret_cast<const char*>(&api.last_error);
  const auto* end = reinterpret_cast<const char*>(&api + 1);
  for (; words < end; words += sizeof(void*)) {
    void* word = nullptr;
    std::memcpy(static_cast<void*>(&word), words, sizeof(word));
    if (word == nullptr) return false;
  }
  return true;
}

}  // namespace

base::Result<const regattaDeviceApi*> FindKind(const std::string& kind) {
  const Kinds& kinds = TheKinds();
  if (const auto* api = Find(kinds, kind)) return api;
  std::string names;
  for (const auto* api : kinds.apis) names += (names.empty() ? "" : ", ") + std::string(api->kind);
  return Status(Code::kNotFound,
                "no kind of device is called \"" + kind + "\"; there are " + names + kinds.refused);
}

std::vector<const regattaDeviceApi*> AllKinds() { return TheKinds().apis; }

base::Result<const regattaDeviceApi*> LoadPlugin(const std::string& path) {
  BASE_ASSIGN_OR_RETURN(const Library library, Library::Open(path));
  regattaDevicePluginFunction entry = nullptr;
  BASE_RETURN_IF_ERROR(library.Load(REGATTA_DEVICE_PLUGIN_SYMBOL, &entry));
  const regattaDeviceApi* api = entry(REGATTA_DEVICE_ABI_VERSION);
  const std::string wanted = "version " + std::to_string(REGATTA_DEVICE_ABI_VERSION);
  if (api == nullptr) {
    return Status(Code::kFailedPrecondition,
                  path + " has no device table of " + wanted + "; it was made for another release");
  }
  if (api->version != REGATTA_DEVICE_ABI_VERSION) {
    return Status(Code::kFailedPrecondition, path + " has a device table of version " +
                                                 std::to_string(api->version) + ", not of " +
                                                 wanted);
  }
  if (api->size < sizeof(regattaDeviceApi) || api->kind == nullptr || api->kind[0] == '\0' ||
      !IsComplete(*api)) {
    return Status(Code::kFailedPrecondition,
                  path + " has a device table of " + std::to_string(api->size) +
                      " bytes that is not complete; " + std::to_string(sizeof(regattaDeviceApi)) +
                      " bytes of name and functions are needed");
  }
  return api;
}

}  // namespace regatta::device

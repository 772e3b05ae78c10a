#include "library.h"

#include <dlfcn.h>

#include <stdexcept>

namespace regatta::c10d_eccl {
namespace {

Library loaded;

template <typename Function>
void Find(void* handle, const std::string& path, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(handle, name));
  if (*function == nullptr) {
    throw std::runtime_error(path + " has no " + name +
                             "; it is older than this regatta package: build them together");
  }
}

}  // namespace

void LoadLibrary(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw std::runtime_error(std::string("libeccl: ") + dlerror());
  Find(handle, path, "ecclGetLastError", &loaded.GetLastError);
  Find(handle, path, "ecclGetUniqueIdConfig", &loaded.GetUniqueIdConfig);
  Find(handle, path, "ecclCommInitRankConfig", &loaded.CommInitRankConfig);
  Find(handle, path, "ecclCommDestroy", &loaded.CommDestroy);
  Find(handle, path, "ecclCommAbort", &loaded.CommAbort);
  Find(handle, path, "ecclCommGetAsyncError", &loaded.CommGetAsyncError);
  Find(handle, path, "ecclCommSetTimeout", &loaded.CommSetTimeout);
  Find(handle, path, "ecclAllReduce", &loaded.AllReduce);
  Find(handle, path, "ecclAllGather", &loaded.AllGather);
  Find(handle, path, "ecclAllGatherV", &loaded.AllGatherV);
  Find(handle, path, "ecclReduceScatter", &loaded.ReduceScatter);
  Find(handle, path, "ecclBroadcast", &loaded.Broadcast);
  Find(handle, path, "ecclReduce", &loaded.Reduce);
  Find(handle, path, "ecclGather", &loaded.Gather);
  Find(handle, path, "ecclScatter", &loaded.Scatter);
  Find(handle, path, "ecclAllToAllV", &loaded.AllToAllV);
  Find(handle, path, "ecclBarrier", &loaded.Barrier);
  Find(handle, path, "ecclSend", &loaded.Send);
  Find(handle, path, "ecclRecv", &loaded.Recv);
}

const Library& Eccl() { return loaded; }

}  // namespace regatta::c10d_eccl

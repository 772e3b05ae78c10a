#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "base/status.h"
#include "topology/api/handles.h"

namespace regatta::topology {

eccl_topo_result_t ResultOf(base::Code code);

// The text of eccl_topo_last_error in this thread.
std::string& LastError();

// Every entry point runs inside this: nothing is thrown into C, and the text is kept.
template <typename Function>
eccl_topo_result_t Guarded(Function function) {
  base::Status status;
  try {
    status = function();
  } catch (const std::bad_alloc&) {
    status = base::Status(base::Code::kResourceExhausted, "out of memory");
  } catch (const std::exception& error) {
    status = base::Status(base::Code::kInternal, error.what());
  }
  if (!status.ok()) LastError() = status.message();
  return ResultOf(status.code());
}

inline base::Status Invalid(const std::string& what) {
  return base::Status(base::Code::kInvalidArgument, what);
}
inline base::Status IsNull(const char* argument) {
  return Invalid(std::string(argument) + " is NULL");
}

template <typename Function>
eccl_topo_result_t WithTopology(eccl_topo_t handle, Function function) {
  return Guarded([&]() -> base::Status {
    const auto found = FindTopology(handle);
    if (found == nullptr) {
      return Invalid("topo is no topology: it was never made, or it was destroyed");
    }
    return function(*found);
  });
}

template <typename Function>
eccl_topo_result_t WithMapping(eccl_topo_mapping_t handle, Function function) {
  return Guarded([&]() -> base::Status {
    const auto found = FindMapping(handle);
    if (found == nullptr) {
      return Invalid("mapping is no mapping: it was never made, or it was destroyed");
    }
    return function(*found);
  });
}

// Copies as much of a structure as the caller's version of it has. Its size stays.
template <typename Structure>
base::Status Fill(Structure value, const char* name, Structure* out) {
  if (out == nullptr) return IsNull(name);
  if (out->size <= sizeof out->size) {
    return Invalid(std::string(name) + "->size is " + std::to_string(out->size) +
                   "; set it to sizeof of the structure");
  }
  value.size = out->size;
  std::memcpy(out, &value, std::min(out->size, sizeof value));
  return {};
}

// The caller's copy, which eccl_topo_free frees.
base::Status GiveText(const std::string& text, char** out, std::size_t* length);

}  // namespace regatta::topology

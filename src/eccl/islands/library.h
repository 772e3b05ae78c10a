#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/status.h"
#include "device/device.h"

namespace regatta::eccl {

// A vendor's library of collectives between devices of one kind, as a table of functions. Names,
// numbers and meanings are NCCL's, which other vendors follow; types and the first five operators
// have the numbers of ecclDataType_t and ecclRedOp_t.
struct IslandLibrary {
  struct Id {
    char bytes[128];
  };
  using Comm = void*;
  using Stream = void*;
  static constexpr int kSuccess = 0;
  static constexpr int kInProgress = 7;

  std::string name;     // "nccl"
  std::string version;  // what ranks have to have in common: "nccl 2.28.9"
  int (*get_unique_id)(Id*) = nullptr;
  int (*init_rank)(Comm*, int size, Id, int rank) = nullptr;
  int (*destroy)(Comm) = nullptr;
  int (*abort)(Comm) = nullptr;
  int (*async_error)(Comm, int*) = nullptr;
  const char* (*error_text)(int) = nullptr;
  const char* (*last_error)(Comm) = nullptr;  // null where the library has none
  int (*all_reduce)(const void*, void*, std::size_t, int type, int op, Comm, Stream) = nullptr;
  int (*all_gather)(const void*, void*, std::size_t, int type, Comm, Stream) = nullptr;
  int (*reduce_scatter)(const void*, void*, std::size_t, int type, int op, Comm, Stream) = nullptr;
  int (*broadcast)(const void*, void*, std::size_t, int type, int root, Comm, Stream) = nullptr;
  int (*reduce)(const void*, void*, std::size_t, int type, int op, int root, Comm,
                Stream) = nullptr;
};

// The one for devices of this kind: NCCL for CUDA (libnccl.so.2, or the file that
// ECCL_NCCL_LIBRARY names), an own one for simulated devices. kNotFound: none for the kind, or
// ECCL_NCCL=0; kUnavailable: it cannot be loaded.
base::Result<std::shared_ptr<const IslandLibrary>> IslandLibraryOf(const device::Device& device);

// nccl.cc, sim_library.cc
base::Result<std::shared_ptr<const IslandLibrary>> LoadNccl(const std::string& path);
std::shared_ptr<const IslandLibrary> SimIslandLibrary();

}  // namespace regatta::eccl

#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "base/status.h"
#include "device/device.h"
#include "eccl/islands/library.h"
#include "eccl/wire.h"

namespace regatta::eccl {

struct StartOptions {
  std::shared_ptr<const IslandLibrary> library;
  std::shared_ptr<const device::Device> device;
  IslandLibrary::Id id{};
  int rank = 0;
  int size = 1;
  Deadline deadline;
  // Looked at all the time; a failure ends the wait. May be empty.
  std::function<base::Status()> check;
};

// Makes a communicator of the vendor's library, all ranks together. Libraries wait for ever for a
// rank that died meanwhile, and have no handle yet that could be aborted, so the call is made on a
// thread of its own, which is left to itself when the deadline has passed (kDeadlineExceeded) or
// `check` fails (its failure): should it come back, what it made is destroyed. kInternal: what the
// library says.
base::Result<IslandLibrary::Comm> StartIsland(StartOptions options);

// Threads that are still inside a library; clears away those that have come back.
std::size_t StartsLeftBehind();

// "sim:0: nccl 2.28.9, InitRank: invalid usage (...)".
base::Status IslandFailure(const IslandLibrary& library, const device::Device& device,
                           IslandLibrary::Comm comm, int code, const char* call);

}  // namespace regatta::eccl

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "comm.h"

namespace regatta::c10d_eccl {

using Store = c10d::Store;
using Deadline = std::chrono::steady_clock::time_point;

void Publish(Store* store, const std::string& key, const std::string& value);

// Whether the key came before `deadline`; `interrupt` may throw to end the wait. Polls: a client of
// TCPStore that waits for a key inside the store keeps all other threads out of it, and what they
// would publish may be what another rank needs before it publishes the key.
bool WaitForKey(Store* store, const std::string& key, Deadline deadline,
                const std::function<void()>& interrupt);

// "rank 3 (host a, process 17)", from what the rank published about itself when it came.
void Introduce(Store* store, int rank);
std::string Describe(Store* store, int rank);

// The communicator of all ranks that call this with the same store and key.
std::shared_ptr<Comm> Meet(Store* store, const std::string& key, int rank, int size,
                           const CommOptions& options);

// All ranks come, or rank 0 says who did not; nothing of libeccl is used, so a group outlives a
// barrier that failed. `turn` is the number of the call; `health` throws when the group has failed.
void MonitoredBarrier(Store* store, std::uint64_t turn, int rank, int size,
                      std::chrono::milliseconds timeout, bool wait_all_ranks,
                      const std::function<void()>& health);

}  // namespace regatta::c10d_eccl

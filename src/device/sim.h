#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

#include "base/status.h"
#include "regatta/device.h"

// The simulated device: what an accelerator looks like to the code that uses it, on a machine
// without one. Its memory cannot be touched by the host (a wrong dereference is a crash, as with
// the real thing), its streams run by themselves, and it can be told to fail.

namespace regatta::device {

struct SimOptions {
  int devices = 0;                            // REGATTA_SIM_DEVICES
  std::size_t memory_bytes = 1u << 30;        // REGATTA_SIM_MEMORY_MIB, of each device
  std::chrono::microseconds copy_latency{0};  // REGATTA_SIM_COPY_LATENCY_US
  double copy_gigabytes_per_second = 0;       // REGATTA_SIM_COPY_GBPS; 0: as fast as memory is
  // REGATTA_SIM_FAULT: "<what>:<n>" or "<what>:<n>:<device>", several separated by commas. The n-th
  // of what each device (or that one) does: "copy" fails; "stall" is a copy that never ends;
  // "allocate" finds no memory; at the n-th copy of "lost" the device is gone for good.
  std::string fault;
};

// As the environment says. kInvalidArgument names the variable.
base::Result<SimOptions> SimOptionsFromEnvironment();

// From now on; what was allocated is gone. kFailedPrecondition while a device is open.
base::Status ConfigureSim(const SimOptions& options);

const regattaDeviceApi* SimApi();

// --- for a collective library of simulated devices ---

// The device that the calling thread has entered last; null: none.
regattaDeviceContext* SimCurrent();
// Behind the stream's earlier work. A failure has its text in `why`, and is the stream's.
using SimWork = std::function<regattaDeviceResult(std::string* why)>;
regattaDeviceResult SimEnqueue(regattaDeviceContext* context, regattaDeviceStream stream,
                               SimWork work);
// Where the host finds the bytes of device memory; null unless all of it is allocated.
std::byte* SimMemory(const void* address, std::size_t bytes);

}  // namespace regatta::device

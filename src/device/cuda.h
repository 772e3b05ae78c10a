#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "regatta/device.h"

namespace regatta::device {

// NVIDIA's devices, through the driver's own API: no CUDA toolkit is needed to build or to run. The
// driver (libcuda.so.1, or the file that REGATTA_CUDA_LIBRARY names) is looked for when somebody
// asks for a device; where there is none, get_count says so. Memory, streams and events are those
// of the device's primary context, which the runtime API, torch and others use, too.
const regattaDeviceApi* CudaApi();

struct CudaDriver;
// Loads and starts a driver. kUnavailable: no library, one that lacks a function (named), or its
// reason not to start.
base::Result<std::shared_ptr<const CudaDriver>> LoadCudaDriver(const std::string& path);

}  // namespace regatta::device

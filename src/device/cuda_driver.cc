#include "device/cuda_driver.h"

#include <memory>

#include "device/cuda.h"
#include "device/library.h"

namespace regatta::device {

using base::Status;

base::Result<std::shared_ptr<const CudaDriver>> LoadCudaDriver(const std::string& path) {
  auto library = Library::Open(path);
  if (!library.ok()) {
    return Status(base::Code::kUnavailable,
                  "no NVIDIA driver is in use here: " + library.status().message());
  }
  auto driver = std::make_shared<CudaDriver>();
  Status status;
  const auto load = [&](const char* symbol, auto* into) {
    if (status.ok()) status = library->Load(symbol, into);
  };
  load("cuInit", &driver->Init);
  load("cuGetErrorString", &driver->GetErrorString);
  load("cuGetErrorName", &driver->GetErrorName);
  load("cuDeviceGetCount", &driver->DeviceGetCount);
  load("cuDeviceGet", &driver->DeviceGet);
  load("cuDeviceGetName", &driver->DeviceGetName);
  load("cuDeviceTotalMem_v2", &driver->DeviceTotalMem);
  load("cuDeviceGetPCIBusId", &driver->DeviceGetPCIBusId);
  // The newer one differs for slices of a GPU (MIG), which have identities of their own.
  if (!library->Find("cuDeviceGetUuid_v2", &driver->DeviceGetUuid)) {
    load("cuDeviceGetUuid", &driver->DeviceGetUuid);
  }
  load("cuDevicePrimaryCtxRetain", &driver->DevicePrimaryCtxRetain);
  load("cuDevicePrimaryCtxRelease_v2", &driver->DevicePrimaryCtxRelease);
  load("cuCtxPushCurrent_v2", &driver->CtxPushCurrent);
  load("cuCtxPopCurrent_v2", &driver->CtxPopCurrent);
  load("cuCtxGetCurrent", &driver->CtxGetCurrent);
  load("cuMemGetInfo_v2", &driver->MemGetInfo);
  load("cuMemAlloc_v2", &driver->MemAlloc);
  load("cuMemFree_v2", &driver->MemFree);
  load("cuMemHostAlloc", &driver->MemHostAlloc);
  load("cuMemFreeHost", &driver->MemFreeHost);
  load("cuMemHostRegister_v2", &driver->MemHostRegister);
  load("cuMemHostUnregister", &driver->MemHostUnregister);
  load("cuMemcpyHtoD_v2", &driver->MemcpyHtoD);
  load("cuMemcpyDtoH_v2", &driver->MemcpyDtoH);
  load("cuMemcpyHtoDAsync_v2", &driver->MemcpyHtoDAsync);
  load("cuMemcpyDtoHAsync_v2", &driver->MemcpyDtoHAsync);
  load("cuMemcpyDtoDAsync_v2", &driver->MemcpyDtoDAsync);
  load("cuStreamCreate", &driver->StreamCreate);
  load("cuStreamDestroy_v2", &driver->StreamDestroy);
  load("cuStreamSynchronize", &driver->StreamSynchronize);
  load("cuStreamQuery", &driver->StreamQuery);
  load("cuStreamWaitEvent", &driver->StreamWaitEvent);
  load("cuEventCreate", &driver->EventCreate);
  load("cuEventDestroy_v2", &driver->EventDestroy);
  load("cuEventRecord", &driver->EventRecord);
  load("cuEventQuery", &driver->EventQuery);
  load("cuEventSynchronize", &driver->EventSynchronize);
  load("cuPointerGetAttributes", &driver->PointerGetAttributes);
  if (!status.ok()) {
    return Status(base::Code::kUnavailable, "the NVIDIA driver is too old: " + status.message() +
                                                "; CUDA 11 or newer has it");
  }
  if (const CuResult result = driver->Init(0); result != kCuSuccess) {
    const char* text = nullptr;
    const char* name = nullptr;
    driver->GetErrorString(result, &text);
    driver->GetErrorName(result, &name);
    return Status(base::Code::kUnavailable,
                  "the NVIDIA driver does not start: cuInit: " +
                      std::string(text != nullptr ? text : "unknown error") + " (" +
                      (name != nullptr ? name : std::to_string(result)) + ")");
  }
  return std::shared_ptr<const CudaDriver>(std::move(driver));
}

}  // namespace regatta::device

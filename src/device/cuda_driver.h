#pragma once

#include <cstddef>

// The part of cuda.h that is needed, declared here so that no NVIDIA package is needed to build.
// Names and numbers are the driver API's stable ABI ("CUDA Driver API" reference manual).

namespace regatta::device {

using CuResult = int;
using CuDevice = int;
using CuAddress = unsigned long long;
using CuContext = struct CuContextHandle*;
using CuStream = struct CuStreamHandle*;
using CuEvent = struct CuEventHandle*;
struct CuUuid {
  char bytes[16];
};

inline constexpr CuResult kCuSuccess = 0;
inline constexpr CuResult kCuInvalidValue = 1;
inline constexpr CuResult kCuOutOfMemory = 2;
inline constexpr CuResult kCuNoDevice = 100;
inline constexpr CuResult kCuInvalidDevice = 101;
inline constexpr CuResult kCuDeviceUnavailable = 46;
inline constexpr CuResult kCuInvalidContext = 201;
inline constexpr CuResult kCuEccUncorrectable = 214;
inline constexpr CuResult kCuNotReady = 600;
// From an illegal address to an unspecified launch failure, the context is of no use any more.
inline constexpr CuResult kCuFirstFatal = 700;
inline constexpr CuResult kCuLastFatal = 719;
inline constexpr unsigned kCuStreamNonBlocking = 1;
inline constexpr unsigned kCuEventDisableTiming = 2;
inline constexpr unsigned kCuHostPortable = 1;
inline constexpr int kCuAttributeMemoryType = 2;
inline constexpr int kCuAttributeIsManaged = 8;
inline constexpr int kCuAttributeDeviceOrdinal = 9;
inline constexpr unsigned kCuMemoryTypeDevice = 2;

struct CudaDriver {
  CuResult (*Init)(unsigned) = nullptr;
  CuResult (*GetErrorString)(CuResult, const char**) = nullptr;
  CuResult (*GetErrorName)(CuResult, const char**) = nullptr;
  CuResult (*DeviceGetCount)(int*) = nullptr;
  CuResult (*DeviceGet)(CuDevice*, int) = nullptr;
  CuResult (*DeviceGetName)(char*, int, CuDevice) = nullptr;
  CuResult (*DeviceTotalMem)(std::size_t*, CuDevice) = nullptr;
  CuResult (*DeviceGetPCIBusId)(char*, int, CuDevice) = nullptr;
  CuResult (*DeviceGetUuid)(CuUuid*, CuDevice) = nullptr;
  CuResult (*DevicePrimaryCtxRetain)(CuContext*, CuDevice) = nullptr;
  CuResult (*DevicePrimaryCtxRelease)(CuDevice) = nullptr;
  CuResult (*CtxPushCurrent)(CuContext) = nullptr;
  CuResult (*CtxPopCurrent)(CuContext*) = nullptr;
  CuResult (*CtxGetCurrent)(CuContext*) = nullptr;
  CuResult (*MemGetInfo)(std::size_t*, std::size_t*) = nullptr;
  CuResult (*MemAlloc)(CuAddress*, std::size_t) = nullptr;
  CuResult (*MemFree)(CuAddress) = nullptr;
  CuResult (*MemHostAlloc)(void**, std::size_t, unsigned) = nullptr;
  CuResult (*MemFreeHost)(void*) = nullptr;
  CuResult (*MemHostRegister)(void*, std::size_t, unsigned) = nullptr;
  CuResult (*MemHostUnregister)(void*) = nullptr;
  CuResult (*MemcpyHtoD)(CuAddress, const void*, std::size_t) = nullptr;
  CuResult (*MemcpyDtoH)(void*, CuAddress, std::size_t) = nullptr;
  CuResult (*MemcpyHtoDAsync)(CuAddress, const void*, std::size_t, CuStream) = nullptr;
  CuResult (*MemcpyDtoHAsync)(void*, CuAddress, std::size_t, CuStream) = nullptr;
  CuResult (*MemcpyDtoDAsync)(CuAddress, CuAddress, std::size_t, CuStream) = nullptr;
  CuResult (*StreamCreate)(CuStream*, unsigned) = nullptr;
  CuResult (*StreamDestroy)(CuStream) = nullptr;
  CuResult (*StreamSynchronize)(CuStream) = nullptr;
  CuResult (*StreamQuery)(CuStream) = nullptr;
  CuResult (*StreamWaitEvent)(CuStream, CuEvent, unsigned) = nullptr;
  CuResult (*EventCreate)(CuEvent*, unsigned) = nullptr;
  CuResult (*EventDestroy)(CuEvent) = nullptr;
  CuResult (*EventRecord)(CuEvent, CuStream) = nullptr;
  CuResult (*EventQuery)(CuEvent) = nullptr;
  CuResult (*EventSynchronize)(CuEvent) = nullptr;
  CuResult (*PointerGetAttributes)(unsigned, int*, void**, CuAddress) = nullptr;
};

}  // namespace regatta::device

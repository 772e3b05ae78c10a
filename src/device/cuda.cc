#include "device/cuda.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "device/cuda_driver.h"

namespace regatta::device {
namespace {

std::string& ErrorText() {
  thread_local std::string text;
  return text;
}
const char* LastError() { return ErrorText().c_str(); }

regattaDeviceResult Fail(regattaDeviceResult result, std::string text) {
  ErrorText() = std::move(text);
  return result;
}

// Null, with the thread's error text, where there is no driver.
const CudaDriver* Driver() {
  static const auto loaded = [] {
    const char* path = std::getenv("REGATTA_CUDA_LIBRARY");
    return LoadCudaDriver(path != nullptr && *path != '\0' ? path : "libcuda.so.1");
  }();
  if (loaded.ok()) return loaded->get();
  ErrorText() = loaded.status().message();
  return nullptr;
}

regattaDeviceResult ResultOf(CuResult code) {
  switch (code) {
    case kCuSuccess:
      return REGATTA_DEVICE_OK;
    case kCuNotReady:
      return REGATTA_DEVICE_NOT_READY;
    case kCuInvalidValue:
    case kCuInvalidDevice:
      return REGATTA_DEVICE_INVALID_ARGUMENT;
    case kCuOutOfMemory:
      return REGATTA_DEVICE_OUT_OF_MEMORY;
    case kCuNoDevice:
    case kCuDeviceUnavailable:
      return REGATTA_DEVICE_UNAVAILABLE;
    case kCuEccUncorrectable:
      return REGATTA_DEVICE_LOST;
    default:
      return code >= kCuFirstFatal && code <= kCuLastFatal ? REGATTA_DEVICE_LOST
                                                           : REGATTA_DEVICE_FAILED;
  }
}

// What a driver's call came to.
regattaDeviceResult Tell(const CudaDriver& driver, CuResult code, const char* call) {
  if (code == kCuSuccess) return REGATTA_DEVICE_OK;
  const char* text = nullptr;
  const char* name = nullptr;
  driver.GetErrorString(code, &text);
  driver.GetErrorName(code, &name);
  return Fail(ResultOf(code), std::string(call) + ": " +
                                  (text != nullptr ? text : "unknown error") + " (" +
                                  (name != nullptr ? name : std::to_string(code)) + ")");
}

struct Context {
  const CudaDriver* driver;
  CuDevice device;
  CuContext primary;
};
Context* Of(regattaDeviceContext* context) { return reinterpret_cast<Context*>(context); }

CuAddress Address(const void* pointer) { return reinterpret_cast<CuAddress>(pointer); }
CuStream StreamOf(regattaDeviceStream stream) { return static_cast<CuStream>(stream); }
CuEvent EventOf(regattaDeviceEvent event) { return static_cast<CuEvent>(event); }

// Makes one call of the driver in the device's context; the caller's own is current again after it.
// Where it is the same one, as in most threads that use CUDA themselves, nothing has to change.
template <typename Call>
regattaDeviceResult In(regattaDeviceContext* handle, const char* name, Call call) {
  const Context& context = *Of(handle);
  const CudaDriver& driver = *context.driver;
  CuContext current = nullptr;
  const bool enters = driver.CtxGetCurrent(&current) != kCuSuccess || current != context.primary;
  if (enters) {
    if (const CuResult code = driver.CtxPushCurrent(context.primary); code != kCuSuccess) {
      return Tell(driver, code, "cuCtxPushCurrent");
    }
  }
  const CuResult code = call(driver);
  if (enters) driver.CtxPopCurrent(&current);
  // Asked over and over, so without a text that nobody reads.
  return code == kCuNotReady ? REGATTA_DEVICE_NOT_READY : Tell(driver, code, name);
}

regattaDeviceResult GetCount(int* count) {
  const CudaDriver* driver = Driver();
  if (driver == nullptr) return REGATTA_DEVICE_UNAVAILABLE;
  *count = 0;
  return Tell(*driver, driver->DeviceGetCount(count), "cuDeviceGetCount");
}

std::string Hyphenated(const CuUuid& uuid) {
  std::string text = "GPU-";
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    char two[3];
    std::snprintf(two, sizeof(two), "%02x", static_cast<unsigned char>(uuid.bytes[i]));
    text += two;
  }
  return text;
}

regattaDeviceResult GetProperties(int index, regattaDeviceProperties* out) {
  const CudaDriver* driver = Driver();
  if (driver == nullptr) return REGATTA_DEVICE_UNAVAILABLE;
  CuDevice device = 0;
  if (const CuResult code = driver->DeviceGet(&device, index); code != kCuSuccess) {
    return Tell(*driver, code, "cuDeviceGet");
  }
  regattaDeviceProperties all{};
  all.size = out->size;
  if (const CuResult code = driver->DeviceGetName(all.name, sizeof(all.name), device);
      code != kCuSuccess) {
    return Tell(*driver, code, "cuDeviceGetName");
  }
  std::size_t bytes = 0;
  if (const CuResult code = driver->DeviceTotalMem(&bytes, device); code != kCuSuccess) {
    return Tell(*driver, code, "cuDeviceTotalMem");
  }
  all.memory_bytes = bytes;
  if (driver->DeviceGetPCIBusId(all.pci_address, sizeof(all.pci_address), device) != kCuSuccess) {
    all.pci_address[0] = '\0';
  }
  for (char& c : all.pci_address)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  CuUuid uuid{};
  if (driver->DeviceGetUuid(&uuid, device) == kCuSuccess) {
    std::snprintf(all.uuid, sizeof(all.uuid), "%s", Hyphenated(uuid).c_str());
  }
  std::memcpy(out, &all, std::min(out->size, sizeof(all)));
  return REGATTA_DEVICE_OK;
}

regattaDeviceResult Open(int index, regattaDeviceContext** out) {
  const CudaDriver* driver = Driver();
  if (driver == nullptr) return REGATTA_DEVICE_UNAVAILABLE;
  auto context = std::make_unique<Context>(Context{.driver = driver});
  if (const CuResult code = driver->DeviceGet(&context->device, index); code != kCuSuccess) {
    return Tell(*driver, code, "cuDeviceGet");
  }
  const CuResult code = driver->DevicePrimaryCtxRetain(&context->primary, context->device);
  if (code != kCuSuccess) return Tell(*driver, code, "cuDevicePrimaryCtxRetain");
  *out = reinterpret_cast<regattaDeviceContext*>(context.release());
  return REGATTA_DEVICE_OK;
}

regattaDeviceResult Close(regattaDeviceContext* handle) {
  const std::unique_ptr<Context> context(Of(handle));
  return Tell(*context->driver, context->driver->DevicePrimaryCtxRelease(context->device),
              "cuDevicePrimaryCtxRelease");
}

regattaDeviceResult MemoryInfo(regattaDeviceContext* context, std::uint64_t* free_bytes,
                               std::uint64_t* total_bytes) {
  std::size_t free = 0;
  std::size_t total = 0;
  const auto result = In(context, "cuMemGetInfo", [&](const CudaDriver& driver) {
    return driver.MemGetInfo(&free, &total);
  });
  *free_bytes = free;
  *total_bytes = total;
  return result;
}

regattaDeviceResult Allocate(regattaDeviceContext* context, std::size_t bytes, void** address) {
  CuAddress made = 0;
  const auto result = In(context, "cuMemAlloc",
                         [&](const CudaDriver& driver) { return driver.MemAlloc(&made, bytes); });
  *address = reinterpret_cast<void*>(made);  // NOLINT(performance-no-int-to-ptr)
  return result;
}
regattaDeviceResult Free(regattaDeviceContext* context, void* address) {
  return In(context, "cuMemFree",
            [&](const CudaDriver& driver) { return driver.MemFree(Address(address)); });
}
regattaDeviceResult HostAllocate(regattaDeviceContext* context, std::size_t bytes, void** address) {
  return In(context, "cuMemHostAlloc", [&](const CudaDriver& driver) {
    return driver.MemHostAlloc(address, bytes, kCuHostPortable);
  });
}
regattaDeviceResult HostFree(regattaDeviceContext* context, void* address) {
  return In(context, "cuMemFreeHost",
            [&](const CudaDriver& driver) { return driver.MemFreeHost(address); });
}
regattaDeviceResult HostRegister(regattaDeviceContext* context, void* address, std::size_t bytes) {
  return In(context, "cuMemHostRegister", [&](const CudaDriver& driver) {
    return driver.MemHostRegister(address, bytes, kCuHostPortable);
  });
}
regattaDeviceResult HostUnregister(regattaDeviceContext* context, void* address) {
  return In(context, "cuMemHostUnregister",
            [&](const CudaDriver& driver) { return driver.MemHostUnregister(address); });
}

regattaDeviceResult CopyAsync(regattaDeviceContext* context, void* to, const void* from,
                              std::size_t bytes, regattaDeviceCopy direction,
                              regattaDeviceStream stream) {
  return In(context, "cuMemcpyAsync", [&](const CudaDriver& driver) {
    switch (direction) {
      case regattaCopyHostToDevice:
        return driver.MemcpyHtoDAsync(Address(to), from, bytes, StreamOf(stream));
      case regattaCopyDeviceToHost:
        return driver.MemcpyDtoHAsync(to, Address(from), bytes, StreamOf(stream));
      case regattaCopyDeviceToDevice:
        return driver.MemcpyDtoDAsync(Address(to), Address(from), bytes, StreamOf(stream));
    }
    return kCuInvalidValue;
  });
}

regattaDeviceResult Copy(regattaDeviceContext* context, void* to, const void* from,
                         std::size_t bytes, regattaDeviceCopy direction) {
  return In(context, "cuMemcpy", [&](const CudaDriver& driver) {
    CuResult code = kCuInvalidValue;
    switch (direction) {
      case regattaCopyHostToDevice:
        code = driver.MemcpyHtoD(Address(to), from, bytes);
        break;
      case regattaCopyDeviceToHost:
        return driver.MemcpyDtoH(to, Address(from), bytes);
      case regattaCopyDeviceToDevice:
        code = driver.MemcpyDtoDAsync(Address(to), Address(from), bytes, nullptr);
        break;
    }
    // Copies to the device may return before they have arrived there.
    return code == kCuSuccess ? driver.StreamSynchronize(nullptr) : code;
  });
}

regattaDeviceResult StreamCreate(regattaDeviceContext* context, regattaDeviceStream* stream) {
  return In(context, "cuStreamCreate", [&](const CudaDriver& driver) {
    return driver.StreamCreate(reinterpret_cast<CuStream*>(stream), kCuStreamNonBlocking);
  });
}
regattaDeviceResult StreamDestroy(regattaDeviceContext* context, regattaDeviceStream stream) {
  return In(context, "cuStreamDestroy",
            [&](const CudaDriver& driver) { return driver.StreamDestroy(StreamOf(stream)); });
}
regattaDeviceResult StreamSynchronize(regattaDeviceContext* context, regattaDeviceStream stream) {
  return In(context, "cuStreamSynchronize",
            [&](const CudaDriver& driver) { return driver.StreamSynchronize(StreamOf(stream)); });
}
regattaDeviceResult StreamQuery(regattaDeviceContext* context, regattaDeviceStream stream) {
  return In(context, "cuStreamQuery",
            [&](const CudaDriver& driver) { return driver.StreamQuery(StreamOf(stream)); });
}
regattaDeviceResult StreamWaitEvent(regattaDeviceContext* context, regattaDeviceStream stream,
                                    regattaDeviceEvent event) {
  return In(context, "cuStreamWaitEvent", [&](const CudaDriver& driver) {
    return driver.StreamWaitEvent(StreamOf(stream), EventOf(event), 0);
  });
}
regattaDeviceResult EventCreate(regattaDeviceContext* context, regattaDeviceEvent* event) {
  return In(context, "cuEventCreate", [&](const CudaDriver& driver) {
    return driver.EventCreate(reinterpret_cast<CuEvent*>(event), kCuEventDisableTiming);
  });
}
regattaDeviceResult EventDestroy(regattaDeviceContext* context, regattaDeviceEvent event) {
  return In(context, "cuEventDestroy",
            [&](const CudaDriver& driver) { return driver.EventDestroy(EventOf(event)); });
}
regattaDeviceResult EventRecord(regattaDeviceContext* context, regattaDeviceEvent event,
                                regattaDeviceStream stream) {
  return In(context, "cuEventRecord", [&](const CudaDriver& driver) {
    return driver.EventRecord(EventOf(event), StreamOf(stream));
  });
}
regattaDeviceResult EventQuery(regattaDeviceContext* context, regattaDeviceEvent event) {
  return In(context, "cuEventQuery",
            [&](const CudaDriver& driver) { return driver.EventQuery(EventOf(event)); });
}
regattaDeviceResult EventSynchronize(regattaDeviceContext* context, regattaDeviceEvent event) {
  return In(context, "cuEventSynchronize",
            [&](const CudaDriver& driver) { return driver.EventSynchronize(EventOf(event)); });
}

regattaDeviceResult PointerDevice(const void* address, int* device) {
  *device = -1;
  const CudaDriver* driver = Driver();
  if (driver == nullptr || address == nullptr) return REGATTA_DEVICE_OK;
  unsigned memory_type = 0;
  unsigned is_managed = 0;
  int ordinal = -1;
  int attributes[] = {kCuAttributeMemoryType, kCuAttributeIsManaged, kCuAttributeDeviceOrdinal};
  void* values[] = {&memory_type, &is_managed, &ordinal};
  // For memory that it does not know, the driver leaves zeros.
  CuResult code = driver->PointerGetAttributes(3, attributes, values, Address(address));
  if (code == kCuInvalidContext) {
    // Some drivers want any context to be current; a thread that made no call of CUDA has none.
    CuContext any = nullptr;
    CuDevice first = 0;
    code = driver->DeviceGet(&first, 0);
    if (code == kCuSuccess) code = driver->DevicePrimaryCtxRetain(&any, first);
    if (code != kCuSuccess) return Tell(*driver, code, "cuDevicePrimaryCtxRetain");
    code = driver->CtxPushCurrent(any);
    if (code == kCuSuccess) {
      code = driver->PointerGetAttributes(3, attributes, values, Address(address));
      driver->CtxPopCurrent(&any);
    }
    driver->DevicePrimaryCtxRelease(first);
  }
  if (code != kCuSuccess && code != kCuInvalidValue) {
    return Tell(*driver, code, "cuPointerGetAttributes");
  }
  if (code == kCuSuccess && memory_type == kCuMemoryTypeDevice && is_managed == 0)
    *device = ordinal;
  return REGATTA_DEVICE_OK;
}

regattaDeviceResult Enter(regattaDeviceContext* context) {
  const CudaDriver& driver = *Of(context)->driver;
  return Tell(driver, driver.CtxPushCurrent(Of(context)->primary), "cuCtxPushCurrent");
}
regattaDeviceResult Leave(regattaDeviceContext* context) {
  const CudaDriver& driver = *Of(context)->driver;
  CuContext popped = nullptr;
  return Tell(driver, driver.CtxPopCurrent(&popped), "cuCtxPopCurrent");
}

constexpr regattaDeviceApi kApi = {.version = REGATTA_DEVICE_ABI_VERSION,
                                   .size = sizeof(regattaDeviceApi),
                                   .kind = "cuda",
                                   .last_error = LastError,
                                   .get_count = GetCount,
                                   .get_properties = GetProperties,
                                   .open = Open,
                                   .close = Close,
                                   .memory_info = MemoryInfo,
                                   .allocate = Allocate,
                                   .free = Free,
                                   .host_allocate = HostAllocate,
                                   .host_free = HostFree,
                                   .host_register = HostRegister,
                                   .host_unregister = HostUnregister,
                                   .copy = Copy,
                                   .copy_async = CopyAsync,
                                   .stream_create = StreamCreate,
                                   .stream_destroy = StreamDestroy,
                                   .stream_synchronize = StreamSynchronize,
                                   .stream_query = StreamQuery,
                                   .stream_wait_event = StreamWaitEvent,
                                   .event_create = EventCreate,
                                   .event_destroy = EventDestroy,
                                   .event_record = EventRecord,
                                   .event_query = EventQuery,
                                   .event_synchronize = EventSynchronize,
                                   .pointer_device = PointerDevice,
                                   .enter = Enter,
                                   .leave = Leave};

}  // namespace

const regattaDeviceApi* CudaApi() { return &kApi; }

}  // namespace regatta::device

/* Looks like a CUDA driver with one GPU, whose memory is the host's and whose streams do everything
 * at once. It checks what a real driver would: that a context is current where one is needed. What
 * is wrong with it is chosen where it is compiled. */
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default"))) int

enum { kInvalidValue = 1, kOutOfMemory = 2, kNoDevice = 100, kInvalidContext = 201 };

static _Thread_local void* stack[8];
static _Thread_local int depth = 0;
static int retained = 0;
static char gpu[1 << 20] __attribute__((aligned(4096)));
static size_t used = 0;
static int pieces = 0;

/* What a real driver would have been asked. */
static int calls = 0;
static int pointer_queries = 0;

#define NEEDS_CONTEXT \
  ++calls;            \
  if (depth == 0 || retained == 0) return kInvalidContext

API cuInit(unsigned flags) {
  (void)flags;
#if FAKE_INIT_FAILS
  return kNoDevice;
#else
  return 0;
#endif
}
API cuGetErrorString(int code, const char** text) {
  *text = code == kNoDevice ? "no CUDA-capable device is detected" : "a fake error";
  return 0;
}
API cuGetErrorName(int code, const char** name) {
  *name = code == kOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_FAKE";
  return 0;
}
API cuDeviceGetCount(int* count) {
  *count = 1;
  return 0;
}
API cuDeviceGet(int* device, int index) {
  *device = index;
  return index == 0 ? 0 : 101;
}
API cuDeviceGetName(char* name, int room, int device) {
  (void)device;
  strncpy(name, "Fake GPU", (size_t)room);
  return 0;
}
API cuDeviceTotalMem_v2(size_t* bytes, int device) {
  (void)device;
  *bytes = sizeof(gpu);
  return 0;
}
API cuDeviceGetPCIBusId(char* id, int room, int device) {
  (void)device;
  strncpy(id, "0000:AB:00.0", (size_t)room);
  return 0;
}
API cuDeviceGetUuid(void* uuid, int device) {
  (void)device;
  memset(uuid, 0x5a, 16);
  return 0;
}
API cuDevicePrimaryCtxRetain(void** context, int device) {
  (void)device;
  *context = gpu;
  __atomic_add_fetch(&retained, 1, __ATOMIC_SEQ_CST);
  return 0;
}
API cuDevicePrimaryCtxRelease_v2(int device) {
  (void)device;
  return __atomic_sub_fetch(&retained, 1, __ATOMIC_SEQ_CST) < 0 ? kInvalidContext : 0;
}
API cuCtxPushCurrent_v2(void* context) {
  ++calls;
  if (depth == 8) return kInvalidContext;
  stack[depth++] = context;
  return 0;
}
API cuCtxPopCurrent_v2(void** context) {
  ++calls;
  if (depth == 0) return kInvalidContext;
  *context = stack[--depth];
  return 0;
}
API cuCtxGetCurrent(void** context) {
  ++calls;
  *context = depth == 0 ? NULL : stack[depth - 1];
  return 0;
}
/* For tests: contexts that this thread has current; calls since it was asked last. */
API fakeDepth(void) { return depth; }
API fakeCalls(void) {
  const int made = calls;
  calls = 0;
  return made;
}
API fakePointerQueries(void) {
  const int made = pointer_queries;
  pointer_queries = 0;
  return made;
}
API cuMemGetInfo_v2(size_t* free_bytes, size_t* total) {
  NEEDS_CONTEXT;
  *total = sizeof(gpu);
  *free_bytes = sizeof(gpu) - used;
  return 0;
}
API cuMemAlloc_v2(unsigned long long* address, size_t bytes) {
  NEEDS_CONTEXT;
  const size_t room = (bytes + 511) / 512 * 512;
  if (bytes > sizeof(gpu) || used + room > sizeof(gpu)) return kOutOfMemory;
  *address = (unsigned long long)(gpu + used);
  used += room;
  ++pieces;
  return 0;
}
API cuMemFree_v2(unsigned long long address) {
  NEEDS_CONTEXT;
  if ((char*)address < gpu || (char*)address >= gpu + sizeof(gpu)) return kInvalidValue;
  if (--pieces == 0) used = 0;
  return 0;
}
API cuMemHostAlloc(void** address, size_t bytes, unsigned flags) {
  (void)flags;
  NEEDS_CONTEXT;
  *address = malloc(bytes);
  return 0;
}
API cuMemFreeHost(void* address) {
  NEEDS_CONTEXT;
  free(address);
  return 0;
}
API cuMemHostRegister_v2(void* address, size_t bytes, unsigned flags) {
  (void)address, (void)bytes, (void)flags;
  NEEDS_CONTEXT;
  return 0;
}
API cuMemHostUnregister(void* address) {
  (void)address;
  NEEDS_CONTEXT;
  return 0;
}
static int Inside(unsigned long long address, size_t bytes) {
  return (char*)address >= gpu && (char*)address + bytes <= gpu + sizeof(gpu);
}
API cuMemcpyHtoD_v2(unsigned long long to, const void* from, size_t bytes) {
  NEEDS_CONTEXT;
  if (!Inside(to, bytes)) return kInvalidValue;
  memcpy((void*)to, from, bytes);
  return 0;
}
API cuMemcpyDtoH_v2(void* to, unsigned long long from, size_t bytes) {
  NEEDS_CONTEXT;
  if (!Inside(from, bytes)) return kInvalidValue;
  memcpy(to, (void*)from, bytes);
  return 0;
}
API cuMemcpyHtoDAsync_v2(unsigned long long to, const void* from, size_t bytes, void* stream) {
  (void)stream;
  return cuMemcpyHtoD_v2(to, from, bytes);
}
API cuMemcpyDtoHAsync_v2(void* to, unsigned long long from, size_t bytes, void* stream) {
  (void)stream;
  return cuMemcpyDtoH_v2(to, from, bytes);
}
API cuMemcpyDtoDAsync_v2(unsigned long long to, unsigned long long from, size_t bytes,
                         void* stream) {
  (void)stream;
  NEEDS_CONTEXT;
  if (!Inside(to, bytes) || !Inside(from, bytes)) return kInvalidValue;
  memmove((void*)to, (void*)from, bytes);
  return 0;
}
API cuStreamCreate(void** stream, unsigned flags) {
  (void)flags;
  NEEDS_CONTEXT;
  *stream = malloc(1);
  return 0;
}
API cuStreamDestroy_v2(void* stream) {
  NEEDS_CONTEXT;
  free(stream);
  return 0;
}
API cuStreamSynchronize(void* stream) {
  (void)stream;
  NEEDS_CONTEXT;
  return 0;
}
API cuStreamQuery(void* stream) {
  (void)stream;
  NEEDS_CONTEXT;
  return 0;
}
API cuStreamWaitEvent(void* stream, void* event, unsigned flags) {
  (void)stream, (void)event, (void)flags;
  NEEDS_CONTEXT;
  return 0;
}
API cuEventCreate(void** event, unsigned flags) {
  (void)flags;
  NEEDS_CONTEXT;
  *event = malloc(1);
  return 0;
}
API cuEventDestroy_v2(void* event) {
  NEEDS_CONTEXT;
  free(event);
  return 0;
}
API cuEventRecord(void* event, void* stream) {
  (void)event, (void)stream;
  NEEDS_CONTEXT;
  return 0;
}
API cuEventQuery(void* event) {
  (void)event;
  NEEDS_CONTEXT;
  return 0;
}
API cuEventSynchronize(void* event) {
  (void)event;
  NEEDS_CONTEXT;
  return 0;
}
#if !FAKE_LACKS_SYMBOL
API cuPointerGetAttributes(unsigned count, int* attributes, void** values,
                           unsigned long long address) {
  ++pointer_queries;
  NEEDS_CONTEXT;
  for (unsigned i = 0; i < count; ++i) {
    const int inside = Inside(address, 1);
    if (attributes[i] == 2) *(unsigned*)values[i] = inside ? 2 : 0;
    if (attributes[i] == 8) *(unsigned*)values[i] = 0;
    if (attributes[i] == 9) *(int*)values[i] = inside ? 0 : -2;
  }
  return 0;
}
#endif

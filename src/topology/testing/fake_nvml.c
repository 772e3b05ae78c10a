// An NVML that nvml_test.cc loads: two H100s, 18 NVLinks each, to an NVSwitch, or (with
// FAKE_NVML=direct) four A100 links between the two, or (with FAKE_NVML=broken) no driver that
// works.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef struct {
  char bus_id_legacy[16];
  unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
  char bus_id[32];
} PciInfo;

typedef struct {
  unsigned long long total, free, used;
} Memory;

static int Mode(const char* name) {
  const char* mode = getenv("FAKE_NVML");
  return mode != NULL && strcmp(mode, name) == 0;
}

static int Index(const void* device) { return device == (void*)2 ? 1 : 0; }

static void Fill(PciInfo* pci, int index) {
  memset(pci, 0, sizeof *pci);
  snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%s:00.0", index == 0 ? "1B" : "43");
}

EXPORT int nvmlInit_v2(void) { return Mode("broken") ? 9 : 0; }
EXPORT int nvmlShutdown(void) { return 0; }
EXPORT const char* nvmlErrorString(int code) {
  return code == 9 ? "Driver Not Loaded" : code == 15 ? "GPU is lost" : "Unknown Error";
}
EXPORT int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = Mode("lost") ? 3 : 2;
  return 0;
}
EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (index > 1) return 15;
  *device = (void*)(size_t)(index + 1);
  return 0;
}
EXPORT int nvmlDeviceGetName(void* device, char* name, unsigned size) {
  (void)device;
  snprintf(name, size, "%s", Mode("direct") ? "NVIDIA A100-SXM4-80GB" : "NVIDIA H100 80GB HBM3");
  return 0;
}
EXPORT int nvmlDeviceGetPciInfo_v3(void* device, PciInfo* pci) {
  Fill(pci, Index(device));
  return 0;
}
EXPORT int nvmlDeviceGetMemoryInfo(void* device, Memory* memory) {
  (void)device;
  memory->total = 80ull << 30;
  return 0;
}
EXPORT int nvmlDeviceGetCudaComputeCapability(void* device, int* major, int* minor) {
  (void)device;
  *major = Mode("direct") ? 8 : 9;
  *minor = 0;
  return 0;
}
EXPORT int nvmlDeviceGetNvLinkState(void* device, unsigned link, unsigned* active) {
  (void)device;
  *active = link < (Mode("direct") ? 4u : 18u);
  return 0;
}
EXPORT int nvmlDeviceGetNvLinkRemotePciInfo_v2(void* device, unsigned link, PciInfo* pci) {
  (void)link;
  Fill(pci, 1 - Index(device));
  return 0;
}
EXPORT int nvmlDeviceGetNvLinkRemoteDeviceType(void* device, unsigned link, unsigned* type) {
  (void)device;
  (void)link;
  *type = Mode("direct") ? 0 : 2;
  return 0;
}

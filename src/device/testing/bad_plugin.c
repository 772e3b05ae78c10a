/* Plug-ins that cannot be used; which fault each has is chosen where it is compiled. */
#include "regatta/device.h"

#define VISIBLE __attribute__((visibility("default")))

#if BAD_VERSION
static regattaDeviceApi api = {REGATTA_DEVICE_ABI_VERSION + 1, sizeof(regattaDeviceApi), "bad"};
VISIBLE const regattaDeviceApi* regattaDevicePlugin(uint32_t version) {
  (void)version;
  return &api;
}
#elif BAD_NULL
VISIBLE const regattaDeviceApi* regattaDevicePlugin(uint32_t version) {
  (void)version;
  return 0;
}
#elif BAD_HOLES
static regattaDeviceApi api = {REGATTA_DEVICE_ABI_VERSION, sizeof(regattaDeviceApi), "bad"};
VISIBLE const regattaDeviceApi* regattaDevicePlugin(uint32_t version) {
  (void)version;
  return &api;
}
#else
VISIBLE int regattaSomethingElse;
#endif

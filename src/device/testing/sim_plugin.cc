// A plug-in as others would write it: the simulated device once more, under another name.
#include <cstdint>

#include "device/sim.h"

extern "C" __attribute__((visibility("default"))) const regattaDeviceApi* regattaDevicePlugin(
    std::uint32_t version) {
  static const regattaDeviceApi api = [] {
    regattaDeviceApi made = *regatta::device::SimApi();
    made.kind = "simplug";
    return made;
  }();
  return version == REGATTA_DEVICE_ABI_VERSION ? &api : nullptr;
}

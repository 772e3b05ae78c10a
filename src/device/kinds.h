#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "regatta/device.h"

namespace regatta::device {

// The kinds of device this process knows: the built-in ones, and those of REGATTA_DEVICE_PLUGINS,
// which is read when one is asked for the first time. Thread-safe.

// kNotFound names the kinds there are, and why a plug-in could not be used.
base::Result<const regattaDeviceApi*> FindKind(const std::string& kind);
std::vector<const regattaDeviceApi*> AllKinds();

// Loads one plug-in and checks its table. kUnavailable: no such file, or no entry point;
// kFailedPrecondition: another version, or a table that lacks functions.
base::Result<const regattaDeviceApi*> LoadPlugin(const std::string& path);

}  // namespace regatta::device

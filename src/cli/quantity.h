#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace regatta::cli {

// Numbers with units, as people write them on a command line. InvalidArgument says what would be
// right.

// "8", "64KiB", "1.5MB": bytes.
absl::StatusOr<std::uint64_t> ReadBytes(const std::string& text);
// "30us", "1.5ms": seconds.
absl::StatusOr<double> ReadDuration(const std::string& text);
// "25Gbit/s", "10GB/s": bytes a second.
absl::StatusOr<double> ReadRate(const std::string& text);

// "3.21 ms", "512 ns": three digits.
std::string DurationText(double seconds);

}  // namespace regatta::cli

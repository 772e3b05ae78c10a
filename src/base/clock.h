#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace regatta::base {

// Time is UTC in microseconds since 1970 everywhere: in rows, files and the API.
using Micros = std::int64_t;

// Wall clock. May jump; never use it to measure how long something took.
Micros NowMicros();
// CLOCK_MONOTONIC. For durations and time-outs.
Micros MonotonicMicros();

// "2026-11-23T22:00:55.123456Z".
std::string FormatRfc3339(Micros time);
// Reads what FormatRfc3339 writes; the fraction may be absent. kInvalidArgument otherwise.
Result<Micros> ParseRfc3339(const std::string& text);
// For people: "850 ms", "12.3 s", "4 m 05 s", "2 h 11 m".
std::string FormatDuration(Micros duration);

}  // namespace regatta::base

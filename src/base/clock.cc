#include "base/clock.h"

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>

namespace regatta::base {
namespace {

Micros Read(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<Micros>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace

#ifdef REGATTA_FAULTS
// Tests set the wall clock of one process: by the seconds in the file that this variable names.
Micros NowMicros() {
  static const char* const file = std::getenv("REGATTA_CLOCK_OFFSET");
  Micros offset = 0;
  if (file != nullptr) std::ifstream(file) >> offset;
  return Read(CLOCK_REALTIME) + offset * 1'000'000;
}
#else
Micros NowMicros() { return Read(CLOCK_REALTIME); }
#endif
Micros MonotonicMicros() { return Read(CLOCK_MONOTONIC); }

std::string FormatRfc3339(Micros time) {
  Micros fraction = time % 1'000'000;
  if (fraction < 0) fraction += 1'000'000;
  const time_t seconds = static_cast<time_t>((time - fraction) / 1'000'000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                static_cast<int>(fraction));
  return text;
}

Result<Micros> ParseRfc3339(const std::string& text) {
  tm parts{};
  int used = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &used) == 6) {
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    const tm read = parts;
    Micros micros = 0;
    std::size_t at = static_cast<std::size_t>(used);
    if (at < text.size() && text[at] == '.') {
      Micros unit = 100'000;
      for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) {
        micros += (text[at] - '0') * unit;
      }
    }
    const time_t seconds = timegm(&parts);
    // timegm turns 31 February into 3 March; a date that does not exist is refused instead.
    if (parts.tm_mday == read.tm_mday && parts.tm_mon == read.tm_mon &&
        parts.tm_hour == read.tm_hour && text.substr(at) == "Z") {
      return static_cast<Micros>(seconds) * 1'000'000 + micros;
    }
  }
  return Status(Code::kInvalidArgument,
                "\"" + text + "\" is not a UTC time like 2026-01-31T08:00:00Z");
}

std::string FormatDuration(Micros duration) {
  char text[64];
  if (duration < 0) duration = 0;
  if (duration < 1'000'000) {
    std::snprintf(text, sizeof text, "%d ms", static_cast<int>(duration / 1000));
  } else if (duration < 60'000'000) {
    std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(duration) / 1e6);
  } else if (duration < 3'600'000'000) {
    const int seconds = static_cast<int>(duration / 1'000'000);
    std::snprintf(text, sizeof text, "%d m %02d s", seconds / 60, seconds % 60);
  } else {
    const long minutes = static_cast<long>(duration / 60'000'000);
    std::snprintf(text, sizeof text, "%ld h %02ld m", minutes / 60, minutes % 60);
  }
  return text;
}

}  // namespace regatta::base

#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"

namespace regatta::base {

// Identity of everything: a lower-case ULID, 26 characters of Crockford's base 32 (10 of time in
// milliseconds, 16 of randomness). Sorts by creation time as text; a valid DNS-1123 label once
// prefixed by a letter, and safe in paths and URLs. Ids made by one process within one millisecond
// are strictly increasing. Thread-safe.
std::string NewUlid();
// The same for a given time; for tests and imports.
std::string NewUlidAt(Micros time);
// Whether `text` is one: 26 characters of the lower-case alphabet, not over the 128-bit range.
bool IsUlid(std::string_view text);
// The creation time inside an id, in microseconds (millisecond resolution). `ulid` must be one.
Micros TimeOfUlid(std::string_view ulid);

}  // namespace regatta::base

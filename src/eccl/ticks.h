#pragma once

#include <chrono>
#include <cstdint>

namespace regatta::eccl {

// A count that grows steadily and costs a few nanoseconds to read, where a clock costs a good part
// of what the smallest collective takes. Only differences within one process mean anything.
inline std::uint64_t Ticks() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_ia32_rdtsc();
#else
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

// How long so many ticks are, by how many have passed on the clock since the first call.
std::chrono::nanoseconds DurationOf(std::uint64_t ticks);

}  // namespace regatta::eccl

#include "eccl/ticks.h"

namespace regatta::eccl {

std::chrono::nanoseconds DurationOf(std::uint64_t ticks) {
  using Clock = std::chrono::steady_clock;
  struct Moment {
    Clock::time_point time = Clock::now();
    std::uint64_t ticks = Ticks();
  };
  static const Moment start;
  // Long enough for the two readings of a moment not to matter.
  Moment now;
  while (now.time - start.time < std::chrono::milliseconds(1)) now = Moment();
  const double passed = std::chrono::duration<double, std::nano>(now.time - start.time).count();
  const double rate = passed / static_cast<double>(now.ticks - start.ticks);
  return std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(ticks) * rate));
}

}  // namespace regatta::eccl

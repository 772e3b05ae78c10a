#include "base/ulid.h"

#include <array>
#include <cstdint>
#include <mutex>

#include "base/random.h"

namespace regatta::base {
namespace {

constexpr char kAlphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

int ValueOf(char c) {
  for (int i = 0; i < 32; ++i) {
    if (kAlphabet[i] == c) return i;
  }
  return -1;
}

// 80 bits of randomness as two halves of 40, which is 8 characters each.
struct Entropy {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
};
constexpr std::uint64_t kHalf = (std::uint64_t{1} << 40) - 1;

std::string Encode(std::uint64_t millis, const Entropy& entropy) {
  std::string out(26, '0');
  for (int i = 9; i >= 0; --i, millis >>= 5) out[i] = kAlphabet[millis & 31];
  std::uint64_t high = entropy.high;
  for (int i = 17; i >= 10; --i, high >>= 5) out[i] = kAlphabet[high & 31];
  std::uint64_t low = entropy.low;
  for (int i = 25; i >= 18; --i, low >>= 5) out[i] = kAlphabet[low & 31];
  return out;
}

}  // namespace

std::string NewUlidAt(Micros time) {
  static std::mutex mutex;
  static std::uint64_t last_millis = 0;
  static Entropy last;
  const std::uint64_t millis = static_cast<std::uint64_t>(time) / 1000;
  const std::lock_guard lock(mutex);
  if (millis == last_millis) {
    // Count up within one millisecond so that ids keep the order in which they were made.
    last.low = (last.low + 1) & kHalf;
    if (last.low == 0) last.high = (last.high + 1) & kHalf;
  } else {
    std::array<std::uint64_t, 2> random{};
    FillRandom(random.data(), sizeof random);
    last = {random[0] & kHalf, random[1] & kHalf};
    last_millis = millis;
  }
  return Encode(millis, last);
}

std::string NewUlid() { return NewUlidAt(NowMicros()); }

bool IsUlid(std::string_view text) {
  if (text.size() != 26 || text[0] > '7') return false;
  for (const char c : text) {
    if (ValueOf(c) < 0) return false;
  }
  return true;
}

Micros TimeOfUlid(std::string_view ulid) {
  std::uint64_t millis = 0;
  for (int i = 0; i < 10; ++i) millis = millis << 5 | static_cast<std::uint64_t>(ValueOf(ulid[i]));
  return static_cast<Micros>(millis * 1000);
}

}  // namespace regatta::base

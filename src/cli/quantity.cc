#include "cli/quantity.h"

#include <cmath>
#include <span>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace regatta::cli {
namespace {

struct Unit {
  const char* name;
  double factor;
};
constexpr Unit kBytes[] = {{"B", 1},    {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824},
                           {"kB", 1e3}, {"KB", 1e3},   {"MB", 1e6},      {"GB", 1e9}};
constexpr Unit kDurations[] = {{"s", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"µs", 1e-6}, {"ns", 1e-9}};
constexpr Unit kBits[] = {{"bit", 1. / 8}, {"kbit", 1e3 / 8}, {"Mbit", 1e6 / 8}, {"Gbit", 1e9 / 8}};

// Where the number ends and its unit begins; false when there is no number, or a negative one.
bool Split(const std::string& text, double* number, absl::string_view* unit) {
  const std::size_t end = text.find_first_not_of("0123456789.");
  const absl::string_view digits = absl::string_view(text).substr(0, end);
  *unit = end == std::string::npos
              ? ""
              : absl::StripLeadingAsciiWhitespace(absl::string_view(text).substr(end));
  return absl::SimpleAtod(digits, number) && std::isfinite(*number);
}

bool Find(std::span<const Unit> units, absl::string_view name, double* factor) {
  for (const Unit& unit : units) {
    if (name == unit.name) {
      *factor = unit.factor;
      return true;
    }
  }
  return false;
}

absl::Status Wrong(const std::string& text, const char* right) {
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not ", right));
}

}  // namespace

absl::StatusOr<std::uint64_t> ReadBytes(const std::string& text) {
  double number = 0, factor = 1;
  absl::string_view unit;
  if (!Split(text, &number, &unit) || (!unit.empty() && !Find(kBytes, unit, &factor)) ||
      number * factor > 0x1p62) {
    return Wrong(text, "a size: a number of B, KiB, MiB, GiB, kB, MB or GB, like 64MiB");
  }
  return static_cast<std::uint64_t>(number * factor);
}

absl::StatusOr<double> ReadDuration(const std::string& text) {
  double number = 0, factor = 1;
  absl::string_view unit;
  if (!Split(text, &number, &unit) || !Find(kDurations, unit, &factor)) {
    return Wrong(text, "a duration: a number of s, ms, us or ns, like 30us");
  }
  return number * factor;
}

absl::StatusOr<double> ReadRate(const std::string& text) {
  double number = 0, factor = 1;
  absl::string_view unit;
  const bool split = Split(text, &number, &unit) && absl::ConsumeSuffix(&unit, "/s");
  if (!split || number <= 0 || !(Find(kBytes, unit, &factor) || Find(kBits, unit, &factor))) {
    return Wrong(text, "a bandwidth: a number of MB/s, GB/s, Mbit/s or Gbit/s, like 25Gbit/s");
  }
  return number * factor;
}

std::string DurationText(double seconds) {
  const double ns = seconds * 1e9;
  if (ns < 999.5) return absl::StrFormat("%.3g ns", ns);
  if (ns < 999.5e3) return absl::StrFormat("%.3g us", ns / 1e3);
  if (ns < 999.5e6) return absl::StrFormat("%.3g ms", ns / 1e6);
  return absl::StrFormat("%.*f s", seconds < 10 ? 2 : seconds < 100 ? 1 : 0, seconds);
}

}  // namespace regatta::cli

#include "net/range.h"

#include <algorithm>

#include "absl/strings/numbers.h"

namespace regatta::net {

RangeRequest ParseRange(std::string_view header, std::int64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit)) return {};
  header.remove_prefix(kUnit.size());
  const std::size_t dash = header.find('-');
  if (dash == std::string_view::npos || header.find(',') != std::string_view::npos) return {};
  const std::string_view first = header.substr(0, dash);
  const std::string_view last = header.substr(dash + 1);
  const auto number = [](std::string_view text) -> std::optional<std::int64_t> {
    std::int64_t value = 0;
    // SimpleAtoi takes signs; a sign here is another broken form.
    if (text.empty() || text.front() < '0' || text.front() > '9' ||
        !absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &value)) {
      return std::nullopt;
    }
    return value;
  };
  if (first.empty()) {
    const auto suffix = number(last);
    if (!suffix) return {};
    if (*suffix == 0 || size == 0) return {.unsatisfiable = true};
    const std::int64_t length = std::min(*suffix, size);
    return {.range = ByteRange{size - length, length}};
  }
  const auto begin = number(first);
  const auto end = last.empty() ? std::optional(size - 1) : number(last);
  if (!begin || !end || (!last.empty() && *end < *begin)) return {};
  if (*begin >= size) return {.unsatisfiable = true};
  return {.range = ByteRange{*begin, std::min(*end, size - 1) - *begin + 1}};
}

}  // namespace regatta::net

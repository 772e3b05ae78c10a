#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace regatta::net {

struct ByteRange {
  std::int64_t offset = 0;
  std::int64_t size = 0;
};

struct RangeRequest {
  std::optional<ByteRange> range;  // absent: send everything (RFC 9110: a bad Range is ignored)
  bool unsatisfiable = false;      // answer 416
};

// A Range header (RFC 9110, section 14) for something of `size` bytes. One range is honoured;
// several are answered with everything, which the RFC allows.
RangeRequest ParseRange(std::string_view header, std::int64_t size);

}  // namespace regatta::net

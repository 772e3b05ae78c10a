#pragma once

#include <string>
#include <string_view>

namespace regatta::store::internal {

// SQL text with its `?` placeholders found: those outside of quotes and comments.
struct Placeholders {
  int count = 0;
  std::string named;  // the text with the nth `?` written `:pn`, as SOCI's PostgreSQL backend wants
};

Placeholders FindPlaceholders(std::string_view sql);

}  // namespace regatta::store::internal

#pragma once

#include <string>
#include <string_view>

namespace regatta::job {

// Joins texts. (Debian's Abseil is built with a string_view of its own, so absl::StrCat takes no
// std::string_view.)
template <typename... Parts>
std::string Cat(const Parts&... parts) {
  std::string result;
  (result.append(std::string_view(parts)), ...);
  return result;
}

// "text" in double quotes, cut to about 60 bytes at a character's border: what a message shows of
// something a user wrote.
std::string Quoted(std::string_view text);

// Without blanks (space, tab, line end) at both ends.
std::string_view Trim(std::string_view text);

}  // namespace regatta::job

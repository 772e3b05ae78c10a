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

// A path or a message as one line: control characters become blanks, and of more than about 1,000
// bytes the middle is left out. Keys of a user's file stand in paths as they are.
std::string OneLine(std::string text);

// Without blanks (space, tab, line end) at both ends.
std::string_view Trim(std::string_view text);

}  // namespace regatta::job

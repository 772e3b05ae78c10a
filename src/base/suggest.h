#pragma once

#include <span>
#include <string>
#include <string_view>

namespace regatta::base {

// The candidate nearest to `word` by edit distance (a swap of neighbours counts one), if it is near
// enough to be a likely typing error (a third of the longer word, at least one); else "".
std::string Nearest(std::string_view word, std::span<const std::string> candidates);

// " (did you mean \"prepare\"?)", or "" when nothing is near.
std::string DidYouMean(std::string_view word, std::span<const std::string> candidates);

}  // namespace regatta::base

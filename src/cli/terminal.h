#pragma once

#include <string>
#include <string_view>

namespace regatta::cli {

// What the standard output can show.
struct Terminal {
  bool is_terminal = false;
  bool colour = false;   // a terminal, and NO_COLOR is not set, and TERM is not dumb
  bool unicode = false;  // the locale is UTF-8
  int width = 80;
  int height = 24;
};
// Asks anew each time, so that a resize is seen.
Terminal LookAtTerminal();

enum class Colour { kNone, kGreen, kRed, kYellow, kBlue, kGrey, kBold };
// `text` in a colour, or as it is when the terminal shows none.
std::string Paint(const Terminal& terminal, Colour colour, std::string_view text);

// The first `columns` columns of `text`, with "…" (or "...") at the end when something was cut.
// Counts wide East Asian characters as two columns and leaves out control characters.
std::string Fit(const Terminal& terminal, std::string_view text, int columns);
int ColumnsOf(std::string_view text);

}  // namespace regatta::cli

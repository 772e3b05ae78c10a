#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace regatta::cli {
namespace {

std::string_view Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The next code point of `text` from `at` on; a byte that is no UTF-8 counts as one.
char32_t Next(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at]);
  std::size_t length = first < 0x80    ? 1
                       : first >= 0xF0 ? 4
                       : first >= 0xE0 ? 3
                       : first >= 0xC0 ? 2
                                       : 1;
  if (at + length > text.size()) length = 1;
  char32_t point = length == 1 ? first : first & (0x7F >> length);
  for (std::size_t i = 1; i < length; ++i) {
    point = (point << 6) | (static_cast<unsigned char>(text[at + i]) & 0x3F);
  }
  at += length;
  return point;
}

// Columns of one character: the wide blocks of East Asian scripts and of emoji, coarsely.
int Columns(char32_t point) {
  const bool wide = (point >= 0x1100 && point <= 0x115F) || (point >= 0x2E80 && point <= 0xA4CF) ||
                    (point >= 0xAC00 && point <= 0xD7A3) || (point >= 0xF900 && point <= 0xFAFF) ||
                    (point >= 0xFE30 && point <= 0xFE6F) || (point >= 0xFF00 && point <= 0xFF60) ||
                    (point >= 0x1F300 && point <= 0x1FAFF) ||
                    (point >= 0x20000 && point <= 0x3FFFD);
  return wide ? 2 : 1;
}

}  // namespace

Terminal LookAtTerminal() {
  Terminal terminal;
  terminal.is_terminal = ::isatty(STDOUT_FILENO) == 1 && Variable("TERM") != "dumb";
  terminal.colour = terminal.is_terminal && Variable("NO_COLOR").empty();
  std::string_view locale = Variable("LC_ALL");
  if (locale.empty()) locale = Variable("LC_CTYPE");
  if (locale.empty()) locale = Variable("LANG");
  terminal.unicode = locale.find("UTF-8") != locale.npos || locale.find("utf8") != locale.npos;
  struct winsize size = {};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    terminal.width = size.ws_col;
    if (size.ws_row > 0) terminal.height = size.ws_row;
  }
  return terminal;
}

std::string Paint(const Terminal& terminal, Colour colour, std::string_view text) {
  if (!terminal.colour || colour == Colour::kNone || text.empty()) return std::string(text);
  static constexpr const char* kCodes[] = {"", "32", "31", "33", "34", "90", "1"};
  return "\x1b[" + std::string(kCodes[static_cast<int>(colour)]) + "m" + std::string(text) +
         "\x1b[0m";
}

int ColumnsOf(std::string_view text) {
  int columns = 0;
  for (std::size_t at = 0; at < text.size();) columns += Columns(Next(text, at));
  return columns;
}

std::string Fit(const Terminal& terminal, std::string_view text, int columns) {
  std::string clean;
  for (const char c : text) clean += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  if (ColumnsOf(clean) <= columns) return clean;
  const std::string_view dots = terminal.unicode ? "…" : "...";
  const int room = columns - ColumnsOf(dots);
  if (room < 0) return "";
  int used = 0;
  std::size_t end = 0;
  for (std::size_t at = 0; at < clean.size();) {
    used += Columns(Next(clean, at));
    if (used > room) break;
    end = at;
  }
  return clean.substr(0, end) + std::string(dots);
}

}  // namespace regatta::cli

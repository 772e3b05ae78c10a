#include "job/yaml/text.h"

#include <algorithm>

namespace regatta::job {

namespace {

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

bool ContinuesCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

std::string OneLine(std::string text) {
  constexpr std::size_t kLongest = 1000;
  constexpr std::size_t kEachEnd = 480;
  if (text.size() > kLongest) {
    std::size_t head = kEachEnd;
    while (head > 0 && ContinuesCharacter(text[head])) --head;
    std::size_t tail = text.size() - kEachEnd;
    while (tail < text.size() && ContinuesCharacter(text[tail])) ++tail;
    text = Cat(std::string_view(text).substr(0, head), "...", std::string_view(text).substr(tail));
  }
  std::ranges::replace_if(text, IsControl, ' ');
  return text;
}

std::string Quoted(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  std::string result = "\"";
  std::size_t end = text.size();
  if (end > kLongest) {
    end = kLongest;
    while (end > 0 && ContinuesCharacter(text[end])) --end;
  }
  for (const char c : text.substr(0, end)) {
    // A message is one line, whatever the user wrote.
    if (c == '\n') {
      result += "\\n";
    } else if (IsControl(c)) {
      result += ' ';
    } else {
      result += c;
    }
  }
  result += end < text.size() ? "...\"" : "\"";
  return result;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace regatta::job

#include "flow/paddleflow_scalars.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace regatta::flow {
namespace {

bool IsOneOf(std::string_view word, const std::array<std::string_view, 8>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// 012, 0o14, 0x1f and 0b11 with a sign and with "_" anywhere; nothing for all else.
std::optional<std::int64_t> Integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int radix = 10;
  if (text.size() > 2 && text[0] == '0') {
    const char prefix = static_cast<char>(text[1] | 0x20);
    radix = prefix == 'x' ? 16 : prefix == 'o' ? 8 : prefix == 'b' ? 2 : 10;
    if (radix != 10) text.remove_prefix(2);
  }
  if (radix == 10 && text.size() > 1 && text[0] == '0') radix = 8;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, radix);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
      number > std::uint64_t{INT64_MAX}) {
    return std::nullopt;
  }
  const auto value = static_cast<std::int64_t>(number);
  return negative ? -value : value;
}

void Read(YamlNode* node, bool in_env) {
  for (YamlNode& item : node->items) Read(&item, in_env);
  for (YamlNode::Member& member : node->members) {
    Read(&member.value, in_env || member.key == "env");
  }
  if (!node->is_scalar() || node->quoted || node->scalar.empty()) return;
  std::string& text = node->scalar;
  if (IsOneOf(text, {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})) {
    text = "true";
    return;
  }
  if (IsOneOf(text, {"n", "N", "no", "No", "NO", "off", "Off", "OFF"})) {
    text = "false";
    return;
  }
  const char first = text[0];
  const bool number = (first >= '0' && first <= '9') || first == '-' || first == '+';
  if (!number && first != '.') return;
  std::string plain = text;
  if (number) std::erase(plain, '_');
  if (const auto integer = Integer(plain); integer && number) {
    text = std::to_string(*integer);
    return;
  }
  YamlNode read = *node;
  read.scalar = plain;
  const base::Json value = read.Value();
  if (!value.is_number()) return;
  text = plain;
  const double real = value.get<double>();
  if (!in_env && std::floor(real) == real && std::fabs(real) < 0x1p63) {
    text = std::to_string(static_cast<std::int64_t>(real));
  }
}

}  // namespace

void ReadScalarsAsPaddleFlow(YamlNode* tree) { Read(tree, false); }

}  // namespace regatta::flow

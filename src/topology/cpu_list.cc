#include "topology/cpu_list.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace regatta::topology {
namespace {

constexpr int kMostWords = 2048;
constexpr int kMostCpus = kMostWords * 32;

std::vector<std::string_view> Split(std::string_view text) {
  std::vector<std::string_view> pieces;
  while (true) {
    const std::size_t comma = text.find(',');
    pieces.push_back(text.substr(0, comma));
    if (comma == text.npos) return pieces;
    text.remove_prefix(comma + 1);
  }
}

// All of `text` as one number.
template <typename Number>
bool Read(std::string_view text, int base, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::optional<std::string> CpuListFromMask(std::string_view mask) {
  const std::vector<std::string_view> words = Split(mask);
  if (words.size() > kMostWords) return std::nullopt;
  std::vector<std::uint32_t> values;  // the lowest first
  for (auto word = words.rbegin(); word != words.rend(); ++word) {
    std::uint32_t value = 0;
    if (word->size() > 8 || !Read(*word, 16, &value)) return std::nullopt;
    values.push_back(value);
  }
  const int count = static_cast<int>(values.size()) * 32;
  const auto has = [&](int cpu) {
    return cpu < count && (values[cpu / 32] >> (cpu % 32) & 1) != 0;
  };
  std::string list;
  for (int cpu = 0; cpu < count; ++cpu) {
    if (!has(cpu)) continue;
    int last = cpu;
    while (has(last + 1)) ++last;
    if (!list.empty()) list += ",";
    list += std::to_string(cpu);
    if (last > cpu) list += "-" + std::to_string(last);
    cpu = last;
  }
  return list;
}

std::string MaskFromCpuList(std::string_view list) {
  if (list.empty()) return "";
  std::vector<std::uint32_t> values(1);
  for (const std::string_view piece : Split(list)) {
    const std::size_t dash = piece.find('-');
    int first = 0;
    if (!Read(piece.substr(0, dash), 10, &first)) return "";
    int last = first;
    if (dash != piece.npos && !Read(piece.substr(dash + 1), 10, &last)) return "";
    if (first < 0 || last < first || last >= kMostCpus) return "";
    values.resize(std::max(values.size(), static_cast<std::size_t>(last) / 32 + 1));
    for (int cpu = first; cpu <= last; ++cpu) values[cpu / 32] |= std::uint32_t{1} << (cpu % 32);
  }
  std::string mask;
  for (auto value = values.rbegin(); value != values.rend(); ++value) {
    char word[16];
    std::snprintf(word, sizeof word, "%08x", *value);
    if (!mask.empty()) mask += ",";
    mask += word;
  }
  return mask;
}

}  // namespace regatta::topology

#include "flow/names.h"

#include "flow/text.h"

namespace regatta::flow {
namespace {

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool Fits(std::string_view name, std::size_t longest, bool underscore, bool hyphen) {
  if (name.empty() || name.size() > longest) return false;
  if (!IsLetter(name.front()) && !(underscore && name.front() == '_')) return false;
  for (const char c : name) {
    if (!IsLetter(c) && !IsDigit(c) && !(underscore && c == '_') && !(hyphen && c == '-')) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool IsStepName(std::string_view name) { return Fits(name, 30, false, true); }
bool IsFieldName(std::string_view name) { return Fits(name, 50, true, false); }
bool IsPipelineName(std::string_view name) { return Fits(name, 128, true, true); }

bool IsSystemVariable(std::string_view name) {
  return name == "PF_RUN_ID" || name == "PF_STEP_NAME" || name == "PF_USER_NAME" ||
         name == "PF_LOOP_ARGUMENT";
}

std::vector<std::string> SplitCommas(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::string_view part = Trim(text.substr(0, text.find(',')));
    if (!part.empty()) parts.emplace_back(part);
    const std::size_t comma = text.find(',');
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
  }
  return parts;
}

}  // namespace regatta::flow

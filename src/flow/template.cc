#include "flow/template.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "absl/strings/str_join.h"
#include "base/absl_status.h"
#include "flow/text.h"

namespace regatta::flow {
namespace {

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// A text with the same template a thousand times can make a small file huge.
constexpr std::size_t kLongestText = 1u << 20;

// Names of steps have hyphens, those of parameters and artifacts do not.
bool IsName(std::string_view text, bool hyphens) {
  if (text.empty() || !IsLetter(text.front())) return false;
  for (const char c : text) {
    if (!IsLetter(c) && !IsDigit(c) && !(hyphens && c == '-')) return false;
  }
  return true;
}

absl::Status Bad(std::string_view written, std::string_view why) {
  return absl::InvalidArgumentError(Cat(Quoted(written), " is no template: ", why,
                                        "; a template is \"{{name}}\" or \"{{step.name}}\""));
}

std::string FloatText(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  char buffer[400];  // 1e-308 has about 325 characters without exponent
  const auto [end, error] =
      std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::fixed);
  std::string text(buffer, end);
  return text;
}

// Shortest digits; an exponent below 1e-4 and from 1e6 on.
std::string GoFloatText(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Inf" : "+Inf";
  char buffer[64];
  const auto [end, error] =
      std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific);
  std::string text(buffer, end);
  const int exponent = std::atoi(text.c_str() + text.find('e') + 1);
  return exponent < -4 || exponent >= 6 ? text : FloatText(number);
}

bool IsNamePart(char c, bool hyphens) { return IsLetter(c) || IsDigit(c) || (hyphens && c == '-'); }

// The reference whose braces open at `at`, as PaddleFlow's expression matches it, or nothing.
std::optional<TemplateReference> PaddleFlowReference(std::string_view text, std::size_t at) {
  constexpr std::string_view kBlanks = " \t\n\f\r";
  std::size_t i = text.find_first_not_of(kBlanks, at + 2);
  if (i == std::string_view::npos) return std::nullopt;
  const std::size_t begin = i;
  while (i < text.size() && IsNamePart(text[i], true)) ++i;
  std::size_t dot = std::string_view::npos;
  if (i < text.size() && text[i] == '.') {
    dot = i++;
    while (i < text.size() && IsNamePart(text[i], false)) ++i;
  }
  const std::size_t end = i;
  if (end == begin || !IsNamePart(text[end - 1], false)) return std::nullopt;
  i = text.find_first_not_of(kBlanks, i);
  if (i == std::string_view::npos || !text.substr(i).starts_with("}}")) return std::nullopt;
  TemplateReference reference;
  reference.begin = at;
  reference.end = i + 2;
  if (dot != std::string_view::npos) reference.node = text.substr(begin, dot - begin);
  const std::size_t name = dot == std::string_view::npos ? begin : dot + 1;
  reference.name = text.substr(name, end - name);
  return reference;
}

std::vector<TemplateReference> FindPaddleFlowTemplates(std::string_view text) {
  std::vector<TemplateReference> found;
  std::size_t at = 0;
  while ((at = text.find("{{", at)) != std::string_view::npos) {
    auto reference = PaddleFlowReference(text, at);
    at = reference ? reference->end : at + 1;
    if (reference) found.push_back(*std::move(reference));
  }
  return found;
}

}  // namespace

absl::StatusOr<std::vector<TemplateReference>> FindTemplates(std::string_view text,
                                                             TemplateStyle style) {
  if (style == TemplateStyle::kPaddleFlow) return FindPaddleFlowTemplates(text);
  std::vector<TemplateReference> found;
  std::size_t at = 0;
  while ((at = text.find("{{", at)) != std::string_view::npos) {
    const std::size_t close = text.find("}}", at + 2);
    if (close == std::string_view::npos) return Bad(text.substr(at), "\"}}\" is missing");
    const std::string_view written = text.substr(at, close + 2 - at);
    const std::string_view inside = Trim(text.substr(at + 2, close - at - 2));
    TemplateReference reference;
    reference.begin = at;
    reference.end = close + 2;
    const std::size_t dot = inside.find('.');
    std::string_view name = inside;
    if (dot != std::string_view::npos) {
      const std::string_view node = inside.substr(0, dot);
      name = inside.substr(dot + 1);
      if (name.find('.') != std::string_view::npos) {
        return Bad(written, "it has more than one dot");
      }
      if (!IsName(node, true)) return Bad(written, Cat(Quoted(node), " is no step's name"));
      reference.node = std::string(node);
    }
    if (!IsName(name, false)) return Bad(written, Cat(Quoted(name), " is no name"));
    reference.name = std::string(name);
    found.push_back(std::move(reference));
    at = close + 2;
  }
  return found;
}

bool HasTemplates(std::string_view text, TemplateStyle style) {
  return style == TemplateStyle::kPaddleFlow ? !FindPaddleFlowTemplates(text).empty()
                                             : text.find("{{") != std::string_view::npos;
}

absl::StatusOr<base::Json> Expand(std::string_view text, const LookUp& look_up,
                                  TemplateStyle style) {
  ASSIGN_OR_RETURN(const std::vector<TemplateReference> references, FindTemplates(text, style));
  if (references.size() == 1 && references[0].begin == 0 && references[0].end == text.size()) {
    return look_up(references[0]);
  }
  std::string result;
  std::size_t copied = 0;
  for (const TemplateReference& reference : references) {
    result.append(text.substr(copied, reference.begin - copied));
    ASSIGN_OR_RETURN(const base::Json value, look_up(reference));
    result += ValueText(value, style);
    if (result.size() > kLongestText) {
      return absl::InvalidArgumentError("with its templates filled in, the text is over 1 MiB");
    }
    copied = reference.end;
  }
  result.append(text.substr(copied));
  return base::Json(std::move(result));
}

absl::StatusOr<std::string> ExpandText(std::string_view text, const LookUp& look_up,
                                       TemplateStyle style) {
  ASSIGN_OR_RETURN(const base::Json value, Expand(text, look_up, style));
  return ValueText(value, style);
}

std::string ValueText(const base::Json& value, TemplateStyle style) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "";
  if (value.is_number_float()) {
    std::string text = FloatText(value.get<double>());
    // A float that is whole stays recognisable as a float.
    if (style == TemplateStyle::kOurs && text.find_first_not_of("-0123456789") == text.npos) {
      text += ".0";
    }
    return text;
  }
  return style == TemplateStyle::kPaddleFlow ? GoText(value) : base::DumpJson(value);
}

std::string GoText(const base::Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "<nil>";
  if (value.is_number_float()) return GoFloatText(value.get<double>());
  if (value.is_array()) {
    std::vector<std::string> items;
    for (const base::Json& item : value) items.push_back(GoText(item));
    return Cat("[", absl::StrJoin(items, " "), "]");
  }
  if (!value.is_object()) return base::DumpJson(value);
  std::string text;
  for (const auto& item : value.items()) {
    text += Cat(text.empty() ? "" : " ", item.key(), ":", GoText(item.value()));
  }
  return Cat("map[", text, "]");
}

}  // namespace regatta::flow

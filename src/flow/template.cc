#include "flow/template.h"

#include <charconv>
#include <cmath>
#include <cstdint>

#include "base/absl_status.h"
#include "flow/text.h"

namespace regatta::flow {
namespace {

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

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
  // A float that is whole stays recognisable as a float.
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

}  // namespace

absl::StatusOr<std::vector<TemplateReference>> FindTemplates(std::string_view text) {
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

absl::StatusOr<base::Json> Expand(std::string_view text, const LookUp& look_up) {
  ASSIGN_OR_RETURN(const std::vector<TemplateReference> references, FindTemplates(text));
  if (references.size() == 1 && references[0].begin == 0 && references[0].end == text.size()) {
    return look_up(references[0]);
  }
  std::string result;
  std::size_t copied = 0;
  for (const TemplateReference& reference : references) {
    result.append(text.substr(copied, reference.begin - copied));
    ASSIGN_OR_RETURN(const base::Json value, look_up(reference));
    result += ValueText(value);
    copied = reference.end;
  }
  result.append(text.substr(copied));
  return base::Json(std::move(result));
}

absl::StatusOr<std::string> ExpandText(std::string_view text, const LookUp& look_up) {
  ASSIGN_OR_RETURN(const base::Json value, Expand(text, look_up));
  return ValueText(value);
}

std::string ValueText(const base::Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return FloatText(value.get<double>());
  if (value.is_null()) return "";
  return base::DumpJson(value);
}

}  // namespace regatta::flow

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace regatta::flow {

// `{{ name }}` and `{{ node.name }}`; blanks inside the braces are allowed.
struct TemplateReference {
  std::string node;  // empty, a sibling's name, or PF_PARENT
  std::string name;
  std::size_t begin = 0;  // of the braces in the text, bytes
  std::size_t end = 0;
};

// All references in a text, in order. kInvalidArgument for braces that are no reference
// ("{{", "{{a.b.c}}", "{{1x}}"); the message quotes them.
absl::StatusOr<std::vector<TemplateReference>> FindTemplates(std::string_view text);

// Replaces every reference by what `look_up` gives. A text that is exactly one reference keeps the
// type of the value; mixed with text it becomes a string (floats without exponent, lists as JSON).
using LookUp = std::function<absl::StatusOr<base::Json>(const TemplateReference&)>;
absl::StatusOr<base::Json> Expand(std::string_view text, const LookUp& look_up);
// The same, always as text.
absl::StatusOr<std::string> ExpandText(std::string_view text, const LookUp& look_up);

// How a value reads inside a text: 0.1 -> "0.1", 1e-5 -> "0.00001", [1,"a"] -> "[1,\"a\"]".
std::string ValueText(const base::Json& value);

}  // namespace regatta::flow

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

// `compat: paddleflow` leaves braces that are no reference as they stand ("{{json .}}"), and prints
// values as Go does.
enum class TemplateStyle { kOurs, kPaddleFlow };

// All references in a text, in order. kInvalidArgument for braces that are no reference
// ("{{", "{{a.b.c}}", "{{1x}}"); the message quotes them.
absl::StatusOr<std::vector<TemplateReference>> FindTemplates(
    std::string_view text, TemplateStyle style = TemplateStyle::kOurs);

// Whether there is something to fill in, or at least something that looks so.
bool HasTemplates(std::string_view text, TemplateStyle style = TemplateStyle::kOurs);

// Replaces every reference by what `look_up` gives. A text that is exactly one reference keeps the
// type of the value; mixed with text it becomes a string (floats without exponent, lists as JSON)
// of at most 1 MiB.
using LookUp = std::function<absl::StatusOr<base::Json>(const TemplateReference&)>;
absl::StatusOr<base::Json> Expand(std::string_view text, const LookUp& look_up,
                                  TemplateStyle style = TemplateStyle::kOurs);
// The same, always as text.
absl::StatusOr<std::string> ExpandText(std::string_view text, const LookUp& look_up,
                                       TemplateStyle style = TemplateStyle::kOurs);

// How a value reads inside a text: 0.1 -> "0.1", 1e-5 -> "0.00001", [1,"a"] -> "[1,\"a\"]".
// In PaddleFlow: 1.0 -> "1", [1,"a"] -> "[1 a]".
std::string ValueText(const base::Json& value, TemplateStyle style = TemplateStyle::kOurs);

// How Go's %v prints a value: a float from a million on has an exponent, [1,[2,"a"]] is
// "[1 [2 a]]". PaddleFlow prints the items of loops and lists so.
std::string GoText(const base::Json& value);

}  // namespace regatta::flow

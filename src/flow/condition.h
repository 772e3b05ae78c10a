#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "flow/template.h"

namespace regatta::flow {

// PaddleFlow's condition language, after templates were filled in: C-like `> < >= <= == != && ||
// !`, parentheses, + - * / %, numbers, quoted strings; a bare word is a string, not a variable.
// Numbers compare as numbers, everything else as text. Bounded in length (64 KiB) and nesting (64).
// kInvalidArgument with the position for a syntax error, for a result that is neither true nor
// false, and for a division by zero.
absl::StatusOr<bool> EvaluateCondition(std::string_view text);

// Fills in the templates of a condition. Within quotation marks a value stays one text, whatever it
// has in it: quotation marks and backslashes get a backslash. Outside it is spliced in as it is.
absl::StatusOr<std::string> ExpandCondition(std::string_view text, const LookUp& look_up);

// Only the syntax, for checking at submission; templates count as one operand each.
absl::Status CheckConditionSyntax(std::string_view text);

}  // namespace regatta::flow

#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace regatta::flow {

// Conditions as PaddleFlow's own expression library reads them (`compat: paddleflow`). It knows
// more operators than ours, from loose to tight, all of them from left to right:
//
//   ,   ? : ??   ||   &&   == != < <= > >= in   & | ^   << >>   + -   * / %   **   - ! ~
//
// and is stricter with words and types: a word begins with a letter and goes on with letters,
// digits and _ ("run-1" is a difference, "/a" no value); a number has digits and a point (1e3 is
// none) or is hexadecimal; a comparison needs two numbers or two texts; == of a number and a text
// is false. + joins texts, and a division by zero is infinite. A quoted text ends at either kind of
// quotation mark; a backslash takes the next character as it is.
//
// Not read: =~ and !~, because an expression from a pipeline could take for ever.
absl::StatusOr<bool> EvaluatePaddleFlowCondition(std::string_view text);

// The syntax alone, with templates as the words that they hold.
absl::Status CheckPaddleFlowConditionSyntax(std::string_view text);

}  // namespace regatta::flow

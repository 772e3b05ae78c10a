#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "flow/condition.h"
#include "flow/condition_paddleflow.h"

// What can be computed has good syntax.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::Status syntax = regatta::flow::CheckConditionSyntax(text);
  if (regatta::flow::EvaluateCondition(text).ok() && !syntax.ok()) std::abort();
  // There the check looks at a text without its braces.
  const absl::Status theirs = regatta::flow::CheckPaddleFlowConditionSyntax(text);
  const bool braces = text.find("{{") != text.npos || text.find("}}") != text.npos;
  if (regatta::flow::EvaluatePaddleFlowCondition(text).ok() && !theirs.ok() && !braces) {
    std::abort();
  }
  return 0;
}

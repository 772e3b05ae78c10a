#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace regatta::flow {

// Letters, digits and hyphens, at most 30: a step's name becomes part of job and host names.
bool IsStepName(std::string_view name);
// Letters, digits and underscores, at most 50: parameters, artifacts, environment variables.
bool IsFieldName(std::string_view name);
// Letters, digits, hyphens and underscores, at most 128.
bool IsPipelineName(std::string_view name);

// PF_RUN_ID, PF_STEP_NAME, PF_USER_NAME, PF_LOOP_ARGUMENT.
bool IsSystemVariable(std::string_view name);

// "a, b ,,c" -> {"a", "b", "c"}.
std::vector<std::string> SplitCommas(std::string_view text);

}  // namespace regatta::flow

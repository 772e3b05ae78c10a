#pragma once

#include <string>

#include "flow/pipeline.h"
#include "flow/template.h"

namespace regatta::flow {

// The parameter that holds a loop's list and serves for nothing else, or "". An iteration's result
// depends on its own item and not on what else is in the list, so the list is no part of its key;
// and only the first iteration keeps it, because ten thousand lists of ten thousand items are too
// many.
std::string LoopListParameter(const Node& node, TemplateStyle style);

}  // namespace regatta::flow

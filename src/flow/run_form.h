#pragma once

#include "flow/text.h"

namespace regatta::flow {

// PaddleFlow takes pipelines also as JSON, with keys in camelCase and a few of its own: a global
// `env` that every step has unless it has its own value, and `queue`, `flavour` and `jobType`, for
// all steps or for one, which become variables. JSON is YAML, so this only makes the tree look as
// the YAML form does. A tree without `entryPoints` stays as it is.
void ReadRunForm(YamlNode* tree);

}  // namespace regatta::flow

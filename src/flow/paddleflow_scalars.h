#pragma once

#include "flow/text.h"

namespace regatta::flow {

// Rewrites plain scalars as PaddleFlow reads them: by YAML 1.1 and then through JSON, so that
// `yes`, `on` and `n` are truth values, 012 is ten, 1_000 a thousand, 0b11 three, and a whole float
// is an integer (1.0 is 1). Below `env` whole floats stay floats.
void ReadScalarsAsPaddleFlow(YamlNode* tree);

}  // namespace regatta::flow

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "flow/pipeline.h"

namespace regatta::flow {

struct ParseOptions {
  std::string file = "pipeline.yaml";  // for messages
  // Exactly PaddleFlow's language and its quirks; our extension keys are errors. A pipeline with
  // `compat: paddleflow` is read so, too (docs/design/flow.md has the table).
  bool paddleflow_compat = false;
};

// Reads and checks a whole pipeline: syntax, schema, names, references, templates, cycles. Size and
// nesting are limited before anything is built (4 MiB, depth 100, no aliases bombs). On error the
// status is kInvalidArgument, its message is the first problem as text, and `problems` (may be
// null) gets all that were found, in the order of the file.
absl::StatusOr<Pipeline> ParsePipeline(std::string_view yaml, const ParseOptions& options,
                                       std::vector<Problem>* problems);

// Applies a request's parameters ("step.param", "dag.step.param", or bare "param" for every node
// that has it; a name with dots wins over a bare one) and the list of disabled nodes (full dotted
// names), then checks what depends on them.
absl::Status ApplyRequest(const base::Json& parameters, const std::vector<std::string>& disabled,
                          const ParseOptions& options, Pipeline* pipeline,
                          std::vector<Problem>* problems);

}  // namespace regatta::flow

#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/json.h"
#include "flow/pipeline.h"
#include "flow/run_state.h"
#include "flow/template.h"

namespace regatta::flow {

// Turns templates into values when a node's dependencies are done. Every message starts with the
// place in the pipeline's file.

// The value of a system variable for a step; kNotFound when `name` is none. In an iteration
// PF_LOOP_ARGUMENT is its item, else "".
absl::StatusOr<base::Json> SystemVariable(const StepRun& step, const std::string& name);
bool IsSystemVariable(const std::string& name);

// Parameters and inputs of a step, from its siblings, its parent and system variables; stored in
// the step.
// In a further iteration of a loop, without the list that is looped over.
absl::Status ResolveParameters(StepRun& step);
absl::Status ResolveInputs(StepRun& step);

// The items of a loop, from the first iteration's parameters and inputs.
absl::StatusOr<std::vector<base::Json>> ResolveLoop(const StepRun& step);

// True when there is no condition. `text` gets the condition with its templates filled in.
absl::StatusOr<bool> ResolveCondition(const StepRun& step, std::string* text);

// What a finished DAG hands on: its children's artifacts.
absl::Status ResolveDagOutputs(StepRun& dag);

// What a step's own templates may say besides system variables: its parameters and the paths of its
// artifacts, or for `keep` names the template itself.
struct OwnNames {
  const base::Json* parameters = nullptr;
  const std::map<std::string, std::string>* paths = nullptr;  // null: artifacts not allowed
};
absl::StatusOr<base::Json> OwnValue(const OwnNames& names,
                                    const std::map<std::string, std::string>& system,
                                    const TemplateReference& reference);

// "pipeline.yaml:14:9: train.condition: message".
absl::Status At(const Place& place, std::string_view path, const absl::Status& status);
Place FieldPlace(const Node& node, const std::string& field);

}  // namespace regatta::flow

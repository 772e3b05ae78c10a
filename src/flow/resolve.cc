#include "flow/resolve.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "flow/artifacts.h"
#include "flow/condition.h"
#include "flow/condition_paddleflow.h"
#include "flow/loop_list.h"
#include "flow/parse_fields.h"

namespace regatta::flow {
namespace {

using base::Json;

constexpr std::size_t kConditionArtifactLimit = 1024;
constexpr std::size_t kLoopArtifactLimit = 1 << 20;
constexpr std::size_t kMostIterations = 100'000;

// What came out of a template must still be of the declared type.
absl::Status CheckType(ParameterType type, Json& value) {
  ReadListText(type, &value);
  const char* wanted = MissesType(type, value);
  if (wanted == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("must be ", wanted, ", not ", base::DumpJson(value)));
}

TemplateStyle StyleOf(const StepRun& step) {
  return step.run().pipeline->compat ? TemplateStyle::kPaddleFlow : TemplateStyle::kOurs;
}

// In PaddleFlow a parameter is filled in before there are iterations, with the system variables of
// the DAG around the step.
absl::StatusOr<Json> SystemVariableForParameter(const StepRun& step, const std::string& name) {
  if (!step.run().pipeline->compat || name == "PF_RUN_ID" || name == "PF_USER_NAME") {
    return SystemVariable(step, name);
  }
  const StepRun* dag = step.scope().owner;
  if (dag == nullptr) return Json("");
  ASSIGN_OR_RETURN(const Json value, SystemVariable(*dag, name));
  return Json(GoText(value));
}

absl::StatusOr<Json> ParameterValue(const StepRun& step, const TemplateReference& reference) {
  if (reference.node.empty()) return SystemVariableForParameter(step, reference.name);
  const Scope& scope = step.scope();
  if (reference.node == "PF_PARENT") {
    if (scope.owner == nullptr) {
      return absl::InvalidArgumentError("PF_PARENT stands for nothing outside a DAG");
    }
    if (reference.name == "PF_LOOP_ARGUMENT") return SystemVariable(*scope.owner, reference.name);
    const auto it = scope.owner->parameters.find(reference.name);
    if (it != scope.owner->parameters.end()) return *it;
  } else if (const NodeRun* sibling = scope.Find(reference.node)) {
    const Json& parameters = sibling->iterations[0]->parameters;
    const auto it = parameters.find(reference.name);
    if (it != parameters.end()) return *it;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", reference.node, "\" has no parameter \"", reference.name, "\""));
}

// The artifact behind "{{x.y}}": of all iterations of a sibling, or the parent's input.
absl::StatusOr<ArtifactList> ReferencedArtifact(const Scope& scope, const std::string& text) {
  ASSIGN_OR_RETURN(const std::vector<TemplateReference> references, FindTemplates(text));
  if (references.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" must be exactly one template like {{step.artifact}}"));
  }
  const TemplateReference& reference = references[0];
  if (reference.node == "PF_PARENT") {
    if (scope.owner != nullptr) {
      const auto it = scope.owner->inputs.find(reference.name);
      if (it != scope.owner->inputs.end()) return it->second;
    }
  } else if (const NodeRun* sibling = scope.Find(reference.node)) {
    ArtifactList joined;
    bool found = false;
    for (const OutputArtifact& output : sibling->node->outputs) {
      found = found || output.name == reference.name;
    }
    for (const auto& iteration : sibling->iterations) {
      const auto it = iteration->outputs.find(reference.name);
      if (it != iteration->outputs.end()) {
        joined.insert(joined.end(), it->second.begin(), it->second.end());
      }
    }
    if (found) return joined;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", reference.node, "\" has no artifact \"", reference.name, "\""));
}

// Own parameters, and the content of own input artifacts.
absl::StatusOr<Json> ContentValue(const StepRun& step, const TemplateReference& reference,
                                  std::size_t limit) {
  if (reference.node.empty()) {
    const auto parameter = step.parameters.find(reference.name);
    if (parameter != step.parameters.end()) return *parameter;
    const auto input = step.inputs.find(reference.name);
    if (input != step.inputs.end()) {
      ASSIGN_OR_RETURN(std::string content,
                       ReadSmallArtifact(absl::StrCat("input artifact \"", reference.name, "\""),
                                         input->second, limit));
      return Json(std::move(content));
    }
    if (IsSystemVariable(reference.name)) {
      ASSIGN_OR_RETURN(Json value, SystemVariable(step, reference.name));
      return step.run().pipeline->compat ? Json(GoText(value)) : value;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", reference.name, "\" is no parameter, input artifact or system variable of this step"));
}

}  // namespace

absl::Status At(const Place& place, std::string_view path, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      Problem{place, std::string(path), std::string(status.message())}.ToString());
}

Place FieldPlace(const Node& node, const std::string& field) {
  const auto it = node.field_places.find(field);
  return it == node.field_places.end() ? node.place : it->second;
}

bool IsSystemVariable(const std::string& name) {
  return name == "PF_RUN_ID" || name == "PF_STEP_NAME" || name == "PF_USER_NAME" ||
         name == "PF_LOOP_ARGUMENT";
}

absl::StatusOr<Json> SystemVariable(const StepRun& step, const std::string& name) {
  if (name == "PF_RUN_ID") return Json(step.run().id);
  if (name == "PF_STEP_NAME") {
    return Json(step.run().pipeline->compat ? step.node().name : step.name);
  }
  if (name == "PF_USER_NAME") return Json(step.run().created_by);
  if (name == "PF_LOOP_ARGUMENT") {
    return step.loop_argument.is_null() ? Json("") : step.loop_argument;
  }
  return absl::NotFoundError(absl::StrCat("\"", name, "\" is no system variable"));
}

absl::Status ResolveParameters(StepRun& step) {
  Json resolved = Json::object();
  const std::string list =
      step.loop_index.value_or(0) > 0 ? LoopListParameter(step.node(), StyleOf(step)) : "";
  for (const auto& [name, parameter] : step.node().parameters) {
    if (name == list) continue;
    Json value = parameter.value;
    const std::string path = absl::StrCat(step.owner->path, ".parameters.", name);
    if (value.is_string() && HasTemplates(value.get_ref<const std::string&>(), StyleOf(step))) {
      auto expanded = Expand(
          value.get_ref<const std::string&>(),
          [&](const TemplateReference& reference) { return ParameterValue(step, reference); },
          StyleOf(step));
      if (!expanded.ok()) return At(parameter.place, path, expanded.status());
      value = *std::move(expanded);
      RETURN_IF_ERROR(At(parameter.place, path, CheckType(parameter.type, value)));
    } else if (value.is_null()) {
      return At(parameter.place, path,
                absl::InvalidArgumentError("has no default and was given no value"));
    }
    resolved[name] = std::move(value);
  }
  step.parameters = std::move(resolved);
  return absl::OkStatus();
}

absl::Status ResolveInputs(StepRun& step) {
  step.inputs.clear();
  for (const InputArtifact& input : step.node().inputs) {
    auto artifact = ReferencedArtifact(step.scope(), input.from);
    if (!artifact.ok()) {
      return At(input.place, absl::StrCat(step.owner->path, ".artifacts.input.", input.name),
                artifact.status());
    }
    step.inputs[input.name] = *std::move(artifact);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Json>> ResolveLoop(const StepRun& step) {
  const Place place = FieldPlace(step.node(), "loop_argument");
  const std::string path = absl::StrCat(step.owner->path, ".loop_argument");
  Json value = step.node().loop_argument.value_or(nullptr);
  if (value.is_string()) {
    auto expanded = Expand(
        value.get_ref<const std::string&>(),
        [&](const TemplateReference& reference) {
          return ContentValue(step, reference, kLoopArtifactLimit);
        },
        StyleOf(step));
    if (!expanded.ok()) return At(place, path, expanded.status());
    value = *std::move(expanded);
  }
  if (value.is_string() && value.get_ref<const std::string&>().empty()) {
    return At(place, path,
              absl::InvalidArgumentError("must be a list like [1, 2], but there is nothing"));
  }
  if (value.is_string()) {
    auto parsed = base::ParseJson(value.get_ref<const std::string&>());
    if (!parsed.ok()) {
      return At(place, path,
                absl::InvalidArgumentError(
                    absl::StrCat("must be a JSON list: ", parsed.status().message())));
    }
    value = *std::move(parsed);
    if (step.run().pipeline->compat) MakeFloats(&value);
  }
  if (!value.is_array()) {
    return At(place, path,
              absl::InvalidArgumentError(
                  absl::StrCat("must be a list like [1, 2], not ", value.type_name())));
  }
  if (value.size() > kMostIterations) {
    return At(place, path,
              absl::InvalidArgumentError(absl::StrCat("has ", value.size(), " items; at most ",
                                                      kMostIterations, " are taken")));
  }
  return std::vector<Json>(value.begin(), value.end());
}

absl::StatusOr<bool> ResolveCondition(const StepRun& step, std::string* text) {
  text->clear();
  const std::string& condition = step.node().condition;
  if (condition.empty()) return true;
  const Place place = FieldPlace(step.node(), "condition");
  const std::string path = absl::StrCat(step.owner->path, ".condition");
  const LookUp look_up = [&](const TemplateReference& reference) {
    return ContentValue(step, reference, kConditionArtifactLimit);
  };
  auto expanded = step.run().pipeline->compat
                      ? ExpandText(condition, look_up, TemplateStyle::kPaddleFlow)
                      : ExpandCondition(condition, look_up);
  if (!expanded.ok()) return At(place, path, expanded.status());
  *text = *expanded;
  if (expanded->empty() && step.run().pipeline->compat) return true;
  auto result = step.run().pipeline->compat ? EvaluatePaddleFlowCondition(*expanded)
                                            : EvaluateCondition(*expanded);
  if (!result.ok()) return At(place, path, result.status());
  return *result;
}

absl::Status ResolveDagOutputs(StepRun& dag) {
  dag.outputs.clear();
  for (const OutputArtifact& output : dag.node().outputs) {
    auto artifact = ReferencedArtifact(*dag.children, output.from);
    if (!artifact.ok()) {
      return At(output.place, absl::StrCat(dag.owner->path, ".artifacts.output.", output.name),
                artifact.status());
    }
    dag.outputs[output.name] = *std::move(artifact);
  }
  return absl::OkStatus();
}

absl::StatusOr<Json> OwnValue(const OwnNames& names,
                              const std::map<std::string, std::string>& system,
                              const TemplateReference& reference) {
  if (reference.node.empty()) {
    const auto parameter = names.parameters->find(reference.name);
    if (parameter != names.parameters->end()) return *parameter;
    if (names.paths != nullptr) {
      const auto path = names.paths->find(reference.name);
      if (path != names.paths->end()) return Json(path->second);
    }
    const auto variable = system.find(reference.name);
    if (variable != system.end()) return Json(variable->second);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", reference.node, reference.node.empty() ? "" : ".", reference.name, "\" is no parameter",
      names.paths == nullptr ? "" : " or artifact", " of this step and no system variable"));
}

}  // namespace regatta::flow

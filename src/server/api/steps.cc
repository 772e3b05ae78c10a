#include "base/absl_status.h"
#include "server/api/api.h"
#include "server/api/input.h"

namespace regatta::server {
namespace {

const std::vector<std::string> kStepStates = {"pending",     "running",    "succeeded", "failed",
                                              "terminating", "terminated", "cancelled", "skipped"};

}  // namespace

absl::StatusOr<Response> ListSteps(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string run_id, IdFromPath(call, "run_id"));
  QueryReader query(call);
  flow::StepFilter filter;
  for (const std::string& state : query.Choices("state", kStepStates, 10)) {
    if (const auto known = flow::StepStateFrom(state)) filter.states.push_back(*known);
  }
  filter.name = query.Text("name", 128).value_or("");
  filter.limit = static_cast<int>(query.Integer("limit", 1, 1000).value_or(50));
  filter.cursor = query.Text("cursor", 512).value_or("");
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const flow::StepPage page, context.engine->ListSteps(run_id, filter));
  return PageAnswer(page);
}

absl::StatusOr<Response> GetStep(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string run_id, IdFromPath(call, "run_id"));
  ASSIGN_OR_RETURN(const std::string step_id, IdFromPath(call, "step_id"));
  QueryReader query(call);
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const flow::StepDetail step, context.engine->GetStep(run_id, step_id));
  return JsonAnswer(flow::ToJson(step));
}

absl::StatusOr<Response> GetStepMetrics(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string run_id, IdFromPath(call, "run_id"));
  ASSIGN_OR_RETURN(const std::string step_id, IdFromPath(call, "step_id"));
  QueryReader query(call);
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const auto series, context.engine->GetMetrics(run_id, step_id));
  return JsonAnswer(flow::ToJson(series));
}

}  // namespace regatta::server

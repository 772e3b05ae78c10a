#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "server/api/api.h"
#include "server/api/input.h"

namespace regatta::server {
namespace {

const std::vector<std::string> kRunStates = {"pending", "running",     "succeeded",
                                             "failed",  "terminating", "terminated"};

// The text of a stored pipeline, and the run's memory of where it is from.
absl::Status TakeFromStore(Context& context, const Call& call, const std::string& pipeline,
                           std::int64_t version, flow::RunRequest& run) {
  if (call.repeated) {
    // Made before a crash: of the version that was the newest then.
    if (const auto made = context.engine->GetRun(run.id); made.ok()) {
      run.yaml = made->yaml;
      run.source = made->source;
      return absl::OkStatus();
    }
  }
  ASSIGN_OR_RETURN(const flow::PipelineVersionView stored,
                   context.pipelines->GetVersion(call.principal.project, pipeline, version));
  run.yaml = stored.yaml;
  run.source = absl::StrCat(stored.pipeline_name, "@", stored.version);
  run.pipeline_id = stored.pipeline_id;
  run.pipeline_version = stored.version;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Response> ListRuns(Context& context, const Call& call) {
  QueryReader query(call);
  flow::RunFilter filter;
  filter.project = call.principal.project;
  for (const std::string& state : query.Choices("state", kRunStates, 8)) {
    if (const auto known = flow::RunStateFrom(state)) filter.states.push_back(*known);
  }
  filter.name = query.Text("name", 128).value_or("");
  filter.pipeline = query.Text("pipeline", 128).value_or("");
  filter.pipeline_id = query.Id("pipeline_id");
  filter.pipeline_version = query.Integer("pipeline_version", 1, 1'000'000'000).value_or(0);
  filter.created_by = query.Text("created_by", 128).value_or("");
  filter.sort =
      query.Choice("sort", {"created_at", "name", "state", "duration"}).value_or("created_at");
  filter.descending = query.Choice("order", {"asc", "desc"}).value_or("desc") == "desc";
  filter.limit = static_cast<int>(query.Integer("limit", 1, 1000).value_or(50));
  filter.cursor = query.Text("cursor", 512).value_or("");
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const flow::RunPage page, context.engine->ListRuns(filter));
  return PageAnswer(page);
}

absl::StatusOr<Response> CreateRun(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(BodyReader body, BodyReader::Parse(call));
  flow::RunRequest run;
  run.id = call.creation_id;
  run.project = call.principal.project;
  run.created_by = call.principal.user;
  const auto yaml = body.Text("yaml", 4u << 20);
  const auto pipeline = body.Text("pipeline", 128, 1);
  const auto version = body.Integer("pipeline_version", 1, 1'000'000'000);
  run.source = body.Text("source", 4096).value_or("");
  run.working_directory = body.Text("working_directory", 4096).value_or("");
  run.name = body.Text("name", 128).value_or("");
  run.parameters = body.Object("parameters");
  run.disabled = body.TextList("disabled");
  run.attach_interrupted =
      body.Choice("on_interrupted", {"new", "attach"}).value_or("new") == "attach";
  RETURN_IF_ERROR(body.Finish());
  if (!run.working_directory.empty() && !run.working_directory.starts_with('/')) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"working_directory\" must be an absolute path, not \"", run.working_directory, "\""));
  }
  if (yaml) {
    run.yaml = *yaml;
  } else if (pipeline) {
    RETURN_IF_ERROR(TakeFromStore(context, call, *pipeline, version.value_or(0), run));
  } else {
    return absl::InvalidArgumentError(
        "\"yaml\" is missing: give the pipeline's text, or \"pipeline\", the id or name of a "
        "stored one");
  }
  std::vector<flow::Problem> problems;
  const auto created = context.engine->CreateRun(run, &problems);
  if (!created.ok()) return ErrorAnswer(created.status(), problems);
  base::Json json = flow::ToJson(created->run);
  json["attached"] = created->attached;
  return JsonAnswer(json, created->attached ? 200 : 201);
}

absl::StatusOr<Response> GetRun(Context& context, const Call& call) {
  QueryReader query(call);
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const std::string id, IdFromPath(call, "run_id"));
  ASSIGN_OR_RETURN(const flow::RunDetail run, context.engine->GetRun(id));
  return JsonAnswer(flow::ToJson(run));
}

absl::StatusOr<Response> StopRun(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string id, IdFromPath(call, "run_id"));
  ASSIGN_OR_RETURN(BodyReader body, BodyReader::Parse(call, /*optional=*/true));
  const bool force = body.Boolean("force").value_or(false);
  RETURN_IF_ERROR(body.Finish());
  auto run = context.engine->StopRun(id, force);
  if (!run.ok() && call.repeated && absl::IsFailedPrecondition(run.status())) {
    // The same request was taken before a crash: what it asked for is under way or done.
    ASSIGN_OR_RETURN(const flow::RunDetail now, context.engine->GetRun(id));
    return JsonAnswer(flow::ToJson(static_cast<const flow::RunView&>(now)));
  }
  if (!run.ok()) return run.status();
  return JsonAnswer(flow::ToJson(*run));
}

absl::StatusOr<Response> RetryRun(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string id, IdFromPath(call, "run_id"));
  ASSIGN_OR_RETURN(BodyReader body, BodyReader::Parse(call, /*optional=*/true));
  RETURN_IF_ERROR(body.Finish());
  ASSIGN_OR_RETURN(const flow::RunView run,
                   context.engine->RetryRun(
                       {.run_id = id, .id = call.creation_id, .created_by = call.principal.user}));
  return JsonAnswer(flow::ToJson(run), 201);
}

absl::StatusOr<Response> DeleteRun(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string id, IdFromPath(call, "run_id"));
  QueryReader query(call);
  const bool check_cache = query.Boolean("check_cache").value_or(true);
  RETURN_IF_ERROR(query.Finish());
  const absl::Status status = context.engine->DeleteRun(id, check_cache);
  // The same request was taken before a crash: the run is gone, as asked.
  if (!status.ok() && !(call.repeated && absl::IsNotFound(status))) return status;
  return DeletedAnswer(id);
}

}  // namespace regatta::server

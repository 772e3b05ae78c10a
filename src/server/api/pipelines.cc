#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/ulid.h"
#include "flow/names.h"
#include "server/api/api.h"
#include "server/api/input.h"

namespace regatta::server {
namespace {

constexpr std::int64_t kLastVersion = 1'000'000'000;

// The id or name in the path, checked.
absl::StatusOr<std::string> PipelineFromPath(const Call& call) {
  const std::string& given = call.http.params.at("pipeline");
  if (!base::IsUlid(given) && !flow::IsPipelineName(given)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", given.substr(0, 128), "\" is neither an id nor a name of a pipeline"));
  }
  return given;
}

absl::StatusOr<std::int64_t> VersionFromPath(const Call& call) {
  const std::string& given = call.http.params.at("version");
  std::int64_t version = 0;
  for (const char c : given) {
    version = c >= '0' && c <= '9' && version <= kLastVersion ? version * 10 + (c - '0') : -1;
    if (version < 0) break;
  }
  if (version < 1 || version > kLastVersion || given[0] == '0') {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", given.substr(0, 60), "\" is no version of a pipeline: versions are 1, 2, 3, …"));
  }
  return version;
}

}  // namespace

absl::StatusOr<Response> ListPipelines(Context& context, const Call& call) {
  QueryReader query(call);
  flow::PipelineFilter filter;
  filter.project = call.principal.project;
  filter.name = query.Text("name", 128).value_or("");
  filter.created_by = query.Text("created_by", 128).value_or("");
  filter.sort = query.Choice("sort", {"name", "created_at", "updated_at"}).value_or("updated_at");
  filter.descending = query.Choice("order", {"asc", "desc"}).value_or("desc") == "desc";
  filter.limit = static_cast<int>(query.Integer("limit", 1, 1000).value_or(50));
  filter.cursor = query.Text("cursor", 512).value_or("");
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const flow::PipelinePage page, context.pipelines->List(filter));
  return PageAnswer(page);
}

absl::StatusOr<Response> CreatePipeline(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(BodyReader body, BodyReader::Parse(call));
  flow::NewPipeline pipeline;
  pipeline.id = call.creation_id;
  pipeline.project = call.principal.project;
  pipeline.created_by = call.principal.user;
  pipeline.name = body.Text("name", 128).value_or("");
  pipeline.description = body.Text("description", 4096).value_or("");
  pipeline.yaml = body.RequiredText("yaml", 4u << 20);
  pipeline.source = body.Text("source", 4096).value_or("");
  RETURN_IF_ERROR(body.Finish());
  std::vector<flow::Problem> problems;
  const auto created = context.pipelines->Create(pipeline, &problems);
  if (!created.ok()) return ErrorAnswer(created.status(), problems);
  return JsonAnswer(flow::ToJson(*created), 201);
}

absl::StatusOr<Response> GetPipeline(Context& context, const Call& call) {
  QueryReader query(call);
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const std::string pipeline, PipelineFromPath(call));
  ASSIGN_OR_RETURN(const flow::PipelineView view,
                   context.pipelines->Get(call.principal.project, pipeline));
  return JsonAnswer(flow::ToJson(view));
}

absl::StatusOr<Response> DeletePipeline(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string pipeline, PipelineFromPath(call));
  const auto id = context.pipelines->Delete(call.principal.project, pipeline);
  if (!id.ok()) {
    // The same request was taken before a crash: the pipeline is gone, as asked.
    if (call.repeated && absl::IsNotFound(id.status())) return DeletedAnswer(pipeline);
    return id.status();
  }
  return DeletedAnswer(*id);
}

absl::StatusOr<Response> ListPipelineVersions(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string pipeline, PipelineFromPath(call));
  QueryReader query(call);
  const auto limit = static_cast<int>(query.Integer("limit", 1, 1000).value_or(50));
  const std::string cursor = query.Text("cursor", 512).value_or("");
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(
      const flow::PipelineVersionPage page,
      context.pipelines->ListVersions(call.principal.project, pipeline, limit, cursor));
  return PageAnswer(page);
}

absl::StatusOr<Response> CreatePipelineVersion(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(BodyReader body, BodyReader::Parse(call));
  flow::NewPipelineVersion version;
  version.project = call.principal.project;
  ASSIGN_OR_RETURN(version.pipeline, PipelineFromPath(call));
  version.created_by = call.principal.user;
  version.description = body.Text("description", 4096).value_or("");
  version.yaml = body.RequiredText("yaml", 4u << 20);
  version.source = body.Text("source", 4096).value_or("");
  RETURN_IF_ERROR(body.Finish());
  std::vector<flow::Problem> problems;
  const auto added = context.pipelines->AddVersion(version, &problems);
  if (!added.ok()) return ErrorAnswer(added.status(), problems);
  // A repeated request finds what it has made before a crash.
  return JsonAnswer(flow::ToJson(added->version), added->added || call.repeated ? 201 : 200);
}

absl::StatusOr<Response> GetPipelineVersion(Context& context, const Call& call) {
  QueryReader query(call);
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const std::string pipeline, PipelineFromPath(call));
  ASSIGN_OR_RETURN(const std::int64_t version, VersionFromPath(call));
  ASSIGN_OR_RETURN(const flow::PipelineVersionView view,
                   context.pipelines->GetVersion(call.principal.project, pipeline, version));
  return JsonAnswer(flow::ToJson(view));
}

absl::StatusOr<Response> DeletePipelineVersion(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string pipeline, PipelineFromPath(call));
  ASSIGN_OR_RETURN(const std::int64_t version, VersionFromPath(call));
  const absl::Status status =
      context.pipelines->DeleteVersion(call.principal.project, pipeline, version);
  if (!status.ok() && !(call.repeated && absl::IsNotFound(status))) return status;
  return JsonAnswer({{"version", version}, {"state", "deleted"}});
}

}  // namespace regatta::server

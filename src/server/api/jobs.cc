#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "server/api/api.h"
#include "server/api/input.h"

namespace regatta::server {
namespace {

const std::vector<std::string> kKinds = {"PyTorchJob", "TFJob", "PaddleJob", "MPIJob"};

absl::StatusOr<Response> Suspend(Context& context, const Call& call, bool suspend) {
  ASSIGN_OR_RETURN(const std::string id, IdFromPath(call, "job_id"));
  ASSIGN_OR_RETURN(BodyReader body, BodyReader::Parse(call, /*optional=*/true));
  const bool force = suspend && body.Boolean("force").value_or(false);
  RETURN_IF_ERROR(body.Finish());
  ASSIGN_OR_RETURN(const base::Json job, context.jobs->Suspend(id, suspend, force));
  return JsonAnswer(job);
}

}  // namespace

absl::StatusOr<Response> ListJobs(Context& context, const Call& call) {
  QueryReader query(call);
  job::TrainingJobFilter filter;
  filter.project = call.principal.project;
  filter.states = query.Choices("state", job::TrainingJobStates(), 8);
  filter.kinds = query.Choices("kind", kKinds, 4);
  filter.name = query.Text("name", 128).value_or("");
  filter.limit = static_cast<int>(query.Integer("limit", 1, 1000).value_or(50));
  filter.cursor = query.Text("cursor", 512).value_or("");
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const job::TrainingJobPage page, context.jobs->List(filter));
  base::Json json = {{"items", page.items}, {"total", page.total}};
  if (!page.next_cursor.empty()) json["next_cursor"] = page.next_cursor;
  return JsonAnswer(json);
}

absl::StatusOr<Response> CreateJob(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(BodyReader body, BodyReader::Parse(call));
  job::TrainingJobRequest job;
  job.id = call.creation_id;
  job.project = call.principal.project;
  job.created_by = call.principal.user;
  job.yaml = body.RequiredText("yaml", 4u << 20);
  job.source = body.Text("source", 4096).value_or("");
  job.working_directory = body.Text("working_directory", 4096).value_or("");
  RETURN_IF_ERROR(body.Finish());
  if (!job.working_directory.empty() && !job.working_directory.starts_with('/')) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"working_directory\" must be an absolute path, not \"", job.working_directory, "\""));
  }
  std::vector<job::Problem> problems;
  const auto created = context.jobs->Create(job, &problems);
  if (!created.ok()) return ErrorAnswer(created.status(), problems);
  return JsonAnswer(*created, 201);
}

absl::StatusOr<Response> GetJob(Context& context, const Call& call) {
  QueryReader query(call);
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const std::string id, IdFromPath(call, "job_id"));
  ASSIGN_OR_RETURN(const base::Json job, context.jobs->Get(id));
  return JsonAnswer(job);
}

absl::StatusOr<Response> DeleteJob(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string id, IdFromPath(call, "job_id"));
  const absl::Status status = context.jobs->Delete(id);
  // The same request was taken before a crash: the job is gone, as asked.
  if (!status.ok() && !(call.repeated && absl::IsNotFound(status))) return status;
  return JsonAnswer({{"id", id}, {"state", "deleting"}});
}

absl::StatusOr<Response> StopJob(Context& context, const Call& call) {
  return Suspend(context, call, true);
}

absl::StatusOr<Response> ResumeJob(Context& context, const Call& call) {
  return Suspend(context, call, false);
}

}  // namespace regatta::server

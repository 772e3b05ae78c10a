#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/json.h"
#include "flow/catalog.h"
#include "flow/engine.h"
#include "flow/pipeline_store.h"
#include "job/kubeflow/controller.h"
#include "net/http.h"

namespace regatta::server {

class Auth;
class Idempotency;
class Ticker;

// Who asks.
struct Principal {
  enum class Via { kNobody, kBearer, kSession };
  Via via = Via::kNobody;
  std::string user;
  std::string project;
  std::string session_digest;  // of a browser's session
};

// One request on its way to a handler.
struct Call {
  const net::Request& http;
  Principal principal;
  // The id that a thing created by this request must get; the same again when a request with the
  // same Idempotency-Key is repeated after a crash.
  std::string creation_id;
  // The key was seen before, but its answer was never stored: this program died in between.
  bool repeated = false;
};

using Response = net::Response;

Response JsonAnswer(const base::Json& json, int status = 200);
// The one error body of the API; the HTTP status comes from the one code table.
Response ErrorAnswer(const absl::Status& status, const std::vector<flow::Problem>& problems = {});

// What a deleting request answers.
Response DeletedAnswer(const std::string& id);
// One page of a list: `items`, `total`, `next_cursor` where there is more.
template <typename Page>
Response PageAnswer(const Page& page) {
  base::Json json = {{"items", base::Json::array()}, {"total", page.total}};
  for (const auto& item : page.items) json["items"].push_back(flow::ToJson(item));
  if (!page.next_cursor.empty()) json["next_cursor"] = page.next_cursor;
  return JsonAnswer(json);
}

// What handlers work with. All members outlive all requests.
struct Context {
  flow::Engine* engine = nullptr;
  flow::PipelineStore* pipelines = nullptr;
  flow::Catalog* catalog = nullptr;
  job::TrainingJobs* jobs = nullptr;
  Auth* auth = nullptr;
  Idempotency* idempotency = nullptr;
  Ticker* ticker = nullptr;
};

// An error becomes ErrorAnswer(status).
using Handler = absl::StatusOr<Response> (*)(Context& context, const Call& call);

enum class Access {
  kOpen,    // anybody
  kUser,    // a session or the bearer token
  kBearer,  // the bearer token only
};

struct Route {
  const char* method;
  const char* pattern;  // "/api/v1/runs/{run_id}"
  Access access;
  std::size_t body_limit;  // bytes
  bool idempotent;         // takes an Idempotency-Key
  Handler handler;
};

// Every operation of docs/openapi.yaml; adding one touches its file and this table (routes.cc).
std::span<const Route> Routes();

// --- The operations, by file.

absl::StatusOr<Response> GetHealth(Context&, const Call&);  // system.cc
absl::StatusOr<Response> GetReadiness(Context&, const Call&);
absl::StatusOr<Response> GetMetrics(Context&, const Call&);
absl::StatusOr<Response> GetVersion(Context&, const Call&);
absl::StatusOr<Response> GetTopology(Context&, const Call&);
absl::StatusOr<Response> GetTopologyPicture(Context&, const Call&);

absl::StatusOr<Response> GetSession(Context&, const Call&);  // session.cc
absl::StatusOr<Response> CreateSession(Context&, const Call&);
absl::StatusOr<Response> DeleteSession(Context&, const Call&);
absl::StatusOr<Response> CreateLoginCode(Context&, const Call&);

absl::StatusOr<Response> ListRuns(Context&, const Call&);  // runs.cc
absl::StatusOr<Response> CreateRun(Context&, const Call&);
absl::StatusOr<Response> GetRun(Context&, const Call&);
absl::StatusOr<Response> StopRun(Context&, const Call&);
absl::StatusOr<Response> RetryRun(Context&, const Call&);
absl::StatusOr<Response> DeleteRun(Context&, const Call&);

absl::StatusOr<Response> ListPipelines(Context&, const Call&);  // pipelines.cc
absl::StatusOr<Response> CreatePipeline(Context&, const Call&);
absl::StatusOr<Response> GetPipeline(Context&, const Call&);
absl::StatusOr<Response> DeletePipeline(Context&, const Call&);
absl::StatusOr<Response> ListPipelineVersions(Context&, const Call&);
absl::StatusOr<Response> CreatePipelineVersion(Context&, const Call&);
absl::StatusOr<Response> GetPipelineVersion(Context&, const Call&);
absl::StatusOr<Response> DeletePipelineVersion(Context&, const Call&);

absl::StatusOr<Response> ListSteps(Context&, const Call&);  // steps.cc
absl::StatusOr<Response> GetStep(Context&, const Call&);
absl::StatusOr<Response> GetStepMetrics(Context&, const Call&);

absl::StatusOr<Response> GetLog(Context&, const Call&);  // logs.cc
absl::StatusOr<Response> StreamLog(Context&, const Call&);

absl::StatusOr<Response> ListJobs(Context&, const Call&);  // jobs.cc
absl::StatusOr<Response> CreateJob(Context&, const Call&);
absl::StatusOr<Response> GetJob(Context&, const Call&);
absl::StatusOr<Response> DeleteJob(Context&, const Call&);
absl::StatusOr<Response> StopJob(Context&, const Call&);
absl::StatusOr<Response> ResumeJob(Context&, const Call&);
absl::StatusOr<Response> GetJobLog(Context&, const Call&);  // logs.cc
absl::StatusOr<Response> StreamJobLog(Context&, const Call&);

absl::StatusOr<Response> ListArtifacts(Context&, const Call&);  // artifacts.cc
absl::StatusOr<Response> GetArtifact(Context&, const Call&);
absl::StatusOr<Response> GetArtifactContent(Context&, const Call&);

absl::StatusOr<Response> ListCaches(Context&, const Call&);  // caches.cc
absl::StatusOr<Response> GetCache(Context&, const Call&);
absl::StatusOr<Response> DeleteCache(Context&, const Call&);

absl::StatusOr<Response> StreamEvents(Context&, const Call&);  // events.cc

}  // namespace regatta::server

#include "server/api/api.h"

namespace regatta::server {
namespace {

constexpr std::size_t kNoBody = 0;
constexpr std::size_t kSmallBody = 64u << 10;
// 4 MiB of YAML as a JSON string, however it is escaped, and the fields beside it.
constexpr std::size_t kRunBody = 26u << 20;

#define RUNS "/api/v1/runs"
#define RUN RUNS "/{run_id}"
#define PIPELINES "/api/v1/pipelines"
#define PIPELINE PIPELINES "/{pipeline}"
#define VERSION PIPELINE "/versions/{version}"
#define CACHES "/api/v1/caches"
#define JOBS "/api/v1/jobs"
#define JOB JOBS "/{job_id}"
#define STEP RUN "/steps/{step_id}"
#define ARTIFACT STEP "/artifacts/{name}"

constexpr Route kRoutes[] = {
    {"GET", "/healthz", Access::kOpen, kNoBody, false, GetHealth},
    {"GET", "/readyz", Access::kOpen, kNoBody, false, GetReadiness},
    {"GET", "/metrics", Access::kUser, kNoBody, false, GetMetrics},
    {"GET", "/api/v1/version", Access::kOpen, kNoBody, false, GetVersion},
    {"GET", "/api/v1/topology", Access::kUser, kNoBody, false, GetTopology},
    {"GET", "/api/v1/topology.svg", Access::kUser, kNoBody, false, GetTopologyPicture},
    {"GET", "/api/v1/session", Access::kUser, kNoBody, false, GetSession},
    {"POST", "/api/v1/session", Access::kOpen, kSmallBody, false, CreateSession},
    {"DELETE", "/api/v1/session", Access::kUser, kSmallBody, false, DeleteSession},
    {"POST", "/api/v1/login-codes", Access::kBearer, kSmallBody, false, CreateLoginCode},
    {"GET", RUNS, Access::kUser, kNoBody, false, ListRuns},
    {"POST", RUNS, Access::kUser, kRunBody, true, CreateRun},
    {"GET", RUN, Access::kUser, kNoBody, false, GetRun},
    {"DELETE", RUN, Access::kUser, kSmallBody, true, DeleteRun},
    {"POST", RUN "/stop", Access::kUser, kSmallBody, true, StopRun},
    {"POST", RUN "/retry", Access::kUser, kSmallBody, true, RetryRun},
    {"GET", RUN "/steps", Access::kUser, kNoBody, false, ListSteps},
    {"GET", STEP, Access::kUser, kNoBody, false, GetStep},
    {"GET", STEP "/logs", Access::kUser, kNoBody, false, GetLog},
    {"GET", STEP "/logs/stream", Access::kUser, kNoBody, false, StreamLog},
    {"GET", STEP "/metrics", Access::kUser, kNoBody, false, GetStepMetrics},
    {"GET", ARTIFACT, Access::kUser, kNoBody, false, GetArtifact},
    {"GET", ARTIFACT "/content", Access::kUser, kNoBody, false, GetArtifactContent},
    {"GET", "/api/v1/artifacts", Access::kUser, kNoBody, false, ListArtifacts},
    {"GET", PIPELINES, Access::kUser, kNoBody, false, ListPipelines},
    {"POST", PIPELINES, Access::kUser, kRunBody, true, CreatePipeline},
    {"GET", PIPELINE, Access::kUser, kNoBody, false, GetPipeline},
    {"DELETE", PIPELINE, Access::kUser, kSmallBody, true, DeletePipeline},
    {"GET", PIPELINE "/versions", Access::kUser, kNoBody, false, ListPipelineVersions},
    {"POST", PIPELINE "/versions", Access::kUser, kRunBody, true, CreatePipelineVersion},
    {"GET", VERSION, Access::kUser, kNoBody, false, GetPipelineVersion},
    {"DELETE", VERSION, Access::kUser, kSmallBody, true, DeletePipelineVersion},
    {"GET", CACHES, Access::kUser, kNoBody, false, ListCaches},
    {"GET", CACHES "/{cache_id}", Access::kUser, kNoBody, false, GetCache},
    {"DELETE", CACHES "/{cache_id}", Access::kUser, kSmallBody, true, DeleteCache},
    {"GET", JOBS, Access::kUser, kNoBody, false, ListJobs},
    {"POST", JOBS, Access::kUser, kRunBody, true, CreateJob},
    {"GET", JOB, Access::kUser, kNoBody, false, GetJob},
    {"DELETE", JOB, Access::kUser, kSmallBody, true, DeleteJob},
    {"POST", JOB "/stop", Access::kUser, kSmallBody, true, StopJob},
    {"POST", JOB "/resume", Access::kUser, kSmallBody, true, ResumeJob},
    {"GET", JOB "/logs", Access::kUser, kNoBody, false, GetJobLog},
    {"GET", JOB "/logs/stream", Access::kUser, kNoBody, false, StreamJobLog},
    {"GET", "/api/v1/events", Access::kUser, kNoBody, false, StreamEvents},
};

}  // namespace

std::span<const Route> Routes() { return kRoutes; }

}  // namespace regatta::server

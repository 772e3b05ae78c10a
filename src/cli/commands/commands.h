#pragma once

#include "absl/status/status.h"
#include "base/config.h"
#include "cli/command_line.h"

namespace regatta::cli {

// Each command returns the program's exit code. main.cc has the table.
using Command = int (*)(const Invocation& call, const base::Config& settings);

int RunPipeline(const Invocation& call, const base::Config& settings);
int Serve(const Invocation& call, const base::Config& settings);
int ListRuns(const Invocation& call, const base::Config& settings);
int ShowRun(const Invocation& call, const base::Config& settings);
int RetryRun(const Invocation& call, const base::Config& settings);
int DeleteRun(const Invocation& call, const base::Config& settings);
int StopRun(const Invocation& call, const base::Config& settings);
int PrintLogs(const Invocation& call, const base::Config& settings);
int ExplainStep(const Invocation& call, const base::Config& settings);
int ListPipelines(const Invocation& call, const base::Config& settings);
int CreatePipeline(const Invocation& call, const base::Config& settings);
int ShowPipeline(const Invocation& call, const base::Config& settings);
int ListPipelineVersions(const Invocation& call, const base::Config& settings);
int UpdatePipeline(const Invocation& call, const base::Config& settings);
int DeletePipeline(const Invocation& call, const base::Config& settings);
int ListArtifacts(const Invocation& call, const base::Config& settings);
int ListCaches(const Invocation& call, const base::Config& settings);
int ShowCache(const Invocation& call, const base::Config& settings);
int DeleteCache(const Invocation& call, const base::Config& settings);
int SubmitJob(const Invocation& call, const base::Config& settings);
int ListJobs(const Invocation& call, const base::Config& settings);
int ShowJob(const Invocation& call, const base::Config& settings);
int StopJob(const Invocation& call, const base::Config& settings);
int ResumeJob(const Invocation& call, const base::Config& settings);
int DeleteJob(const Invocation& call, const base::Config& settings);
int PrintJobLog(const Invocation& call, const base::Config& settings);
int Validate(const Invocation& call, const base::Config& settings);
int PrintConsoleAddress(const Invocation& call, const base::Config& settings);
int Doctor(const Invocation& call, const base::Config& settings);
int ShowTopology(const Invocation& call, const base::Config& settings);
int PlanCollective(const Invocation& call, const base::Config& settings);
int ShowEcclStatus(const Invocation& call, const base::Config& settings);
int RunRanks(const Invocation& call, const base::Config& settings);
int MapRanksToCards(const Invocation& call, const base::Config& settings);
int ShowConfig(const Invocation& call, const base::Config& settings);
int PrintCompletion(const Invocation& call, const base::Config& settings);
int PrintVersion(const Invocation& call, const base::Config& settings);

// Prints "regatta: <message>" on standard error; the exit code comes from the one code table.
int Fail(const absl::Status& status);

}  // namespace regatta::cli

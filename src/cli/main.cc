#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/absl_status.h"
#include "cli/command_line.h"
#include "cli/commands/commands.h"
#include "cli/settings.h"
#include "job/container/container_main.h"
#include "job/shim/shim.h"
#include "train/agent.h"

namespace regatta::cli {

namespace {

constexpr struct {
  const char* name;
  Command run;
} kCommands[] = {
    {"run", RunPipeline},
    {"serve", Serve},
    {"runs list", ListRuns},
    {"runs show", ShowRun},
    {"runs stop", StopRun},
    {"runs retry", RetryRun},
    {"runs logs", PrintLogs},
    {"runs explain", ExplainStep},
    {"runs delete", DeleteRun},
    {"pipelines list", ListPipelines},
    {"pipelines create", CreatePipeline},
    {"pipelines show", ShowPipeline},
    {"pipelines versions", ListPipelineVersions},
    {"pipelines update", UpdatePipeline},
    {"pipelines delete", DeletePipeline},
    {"artifacts list", ListArtifacts},
    {"caches list", ListCaches},
    {"caches show", ShowCache},
    {"caches delete", DeleteCache},
    {"submit", SubmitJob},
    {"jobs list", ListJobs},
    {"jobs show", ShowJob},
    {"jobs stop", StopJob},
    {"jobs resume", ResumeJob},
    {"jobs delete", DeleteJob},
    {"jobs logs", PrintJobLog},
    {"validate", Validate},
    {"console", PrintConsoleAddress},
    {"doctor", Doctor},
    {"topo", ShowTopology},
    {"eccl status", ShowEcclStatus},
    {"hvdrun", RunRanks},
    {"eccl plan", PlanCollective},
    {"topo map", MapRanksToCards},
    {"config show", ShowConfig},
    {"completion", PrintCompletion},
    {"version", PrintVersion},
};

int Main(const std::vector<std::string>& arguments) {
  const Parsed parsed = ParseCommandLine(arguments);
  if (!parsed.out.empty()) std::fprintf(stdout, "%s", parsed.out.c_str());
  if (!parsed.err.empty()) std::fprintf(stderr, "%s\n", parsed.err.c_str());
  if (!parsed.invocation) return parsed.exit_code;
  const auto settings = LoadSettings(parsed.invocation->settings);
  if (!settings.ok()) return Fail(settings.status());
  ApplySettings(*settings);
  for (const auto& command : kCommands) {
    if (parsed.invocation->command == command.name) {
      return command.run(*parsed.invocation, *settings);
    }
  }
  return Fail(absl::InternalError("the command has no implementation"));
}

}  // namespace
}  // namespace regatta::cli

int main(int argc, char** argv) {
  // Not for people, and before anything is set up: one shim is started for each replica.
  if (argc > 1 && std::strcmp(argv[1], "shim") == 0) {
    return regatta::job::shim::ShimMain(argc, argv);
  }
  if (argc > 1 && std::strcmp(argv[1], "container") == 0) {
    return regatta::job::ContainerMain(argc, argv);
  }
  if (argc > 1 && std::strcmp(argv[1], "rank-agent") == 0) return regatta::train::AgentMain();
  return regatta::cli::Main(std::vector<std::string>(argv + 1, argv + argc));
}

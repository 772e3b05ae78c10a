#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "base/ulid.h"
#include "cli/commands/commands.h"
#include "cli/commands/lists.h"
#include "cli/connection.h"
#include "cli/find_run.h"
#include "cli/follow.h"
#include "cli/interrupts.h"
#include "cli/settings.h"

namespace regatta::cli {
namespace {

constexpr std::size_t kLongestPipeline = 4u << 20;
constexpr int kTailLines = 20;
constexpr int kStoppedExit = 130;

absl::StatusOr<base::Json> ReadParameters(const std::vector<std::string>& given) {
  base::Json parameters = base::Json::object();
  for (const std::string& pair : given) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("-p \"", pair, "\" must be KEY=VALUE, for example -p train.lr=0.1"));
    }
    const std::string key = pair.substr(0, equals);
    const std::string text = pair.substr(equals + 1);
    if (parameters.contains(key)) {
      return absl::InvalidArgumentError(absl::StrCat("-p ", key, " is given twice"));
    }
    const auto json = base::ParseJson(text, {.bytes = kLongestPipeline, .depth = 16});
    parameters[key] = json.ok() && !json->is_object() && !json->is_boolean() && !json->is_null()
                          ? *json
                          : base::Json(text);
  }
  return parameters;
}

// What is run, and where: a file in its folder, or a stored pipeline here.
absl::StatusOr<base::Json> MakeSource(const Invocation& call) {
  std::error_code error;
  if (!call.pipeline.empty()) {
    ASSIGN_OR_RETURN(const PipelineName name, ReadPipelineName(call.pipeline));
    const auto here = std::filesystem::current_path(error);
    if (error) return absl::NotFoundError(absl::StrCat("the current folder: ", error.message()));
    base::Json source = {{"pipeline", name.pipeline}, {"working_directory", here.string()}};
    if (name.version != 0) source["pipeline_version"] = name.version;
    return source;
  }
  auto yaml = base::ReadFile(call.file, kLongestPipeline);
  if (!yaml.ok()) return ToAbsl(yaml.status());
  const auto file = std::filesystem::canonical(call.file, error);
  if (error) return absl::NotFoundError(absl::StrCat(call.file, ": ", error.message()));
  return base::Json{{"yaml", *std::move(yaml)},
                    {"source", call.file},
                    {"working_directory", file.parent_path().string()}};
}

absl::StatusOr<base::Json> MakeRequest(const Invocation& call) {
  ASSIGN_OR_RETURN(base::Json request, MakeSource(call));
  ASSIGN_OR_RETURN(request["parameters"], ReadParameters(call.parameters));
  request["on_interrupted"] = call.fresh ? "new" : "attach";
  if (!call.directory.empty()) {
    std::error_code error;
    const auto folder = std::filesystem::canonical(call.directory, error);
    if (error) return absl::NotFoundError(absl::StrCat(call.directory, ": ", error.message()));
    request["working_directory"] = folder.string();
  }
  if (!call.name.empty()) request["name"] = call.name;
  if (!call.disabled.empty()) request["disabled"] = call.disabled;
  return request;
}

// The last lines of the process that failed first.
void PrintTail(ApiClient& api, const std::string& run_id, const StepRow& row) {
  const std::string path = absl::StrCat("/api/v1/runs/", run_id, "/steps/", row.id);
  const auto step = api.Get(path);
  if (!step.ok()) return;
  int rank = 0;
  base::Micros first = 0;
  for (const base::Json& candidate : (*step)["ranks"]) {
    const base::Micros ended = candidate.value("finished_at", base::Micros{0});
    if (candidate.value("state", "") != "failed" || (first != 0 && ended >= first)) continue;
    first = ended;
    rank = candidate.value("rank", 0);
  }
  const auto log = api.Get(absl::StrCat(path, "/logs?offset=-16384&rank=", rank));
  if (!log.ok()) return;
  std::vector<std::string> lines = absl::StrSplit(log->value("text", ""), '\n');
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  if (lines.empty()) return;
  const std::size_t skip = lines.size() > kTailLines ? lines.size() - kTailLines : 0;
  std::fprintf(stderr, "  last lines of rank %d:\n", rank);
  for (std::size_t i = skip; i < lines.size(); ++i) {
    std::fprintf(stderr, "  | %s\n", lines[i].c_str());
  }
  std::fprintf(stderr, "  all of it: regatta runs logs %s %s --rank %d\n", run_id.c_str(),
               row.name.c_str(), rank);
}

void PrintFailures(ApiClient& api, const std::string& run_id, const RunModel& model) {
  constexpr int kMost = 3;
  int shown = 0;
  for (const StepRow& step : model.steps()) {
    if (step.state != "failed" || step.kind == "dag") continue;
    if (++shown > kMost) continue;
    std::fprintf(stderr, "\nstep \"%s\" failed: %s\n", step.name.c_str(), step.reason.c_str());
    PrintTail(api, run_id, step);
  }
  if (shown > kMost) std::fprintf(stderr, "\nand %d more steps failed\n", shown - kMost);
}

// Says which runs the next owner will have to finish.
void PrintLeftRunning(ApiClient& api) {
  const auto page = api.Get("/api/v1/runs?state=pending,running,terminating&limit=5");
  if (!page.ok() || page->value("total", 0) == 0) return;
  std::vector<std::string> names;
  for (const base::Json& run : (*page)["items"]) {
    names.push_back(absl::StrCat(run.value("name", ""), " (", run.value("id", ""), ")"));
  }
  std::printf(
      "Unfinished: %s. Its running steps go on; the `regatta run` that waits for it, or else the "
      "next `regatta run` or `regatta serve`, takes care of the rest.\n",
      absl::StrJoin(names, ", ").c_str());
}

void PrintConsole(const Invocation& call, const Connection& connection) {
  if (connection.own == nullptr || call.json) return;
  std::printf("Console: %s\n", connection.own->MakeLoginAddress().c_str());
  std::fflush(stdout);
}

int ExitCode(const std::string& state) {
  if (state == "succeeded") return 0;
  return state == "terminated" ? kStoppedExit : 1;
}

int PrintJson(ApiClient& api, const std::string& run_id, const std::string& state) {
  auto run = api.Get("/api/v1/runs/" + run_id);
  auto steps = api.GetAll("/api/v1/runs/" + run_id + "/steps");
  if (!run.ok()) return Fail(run.status());
  if (!steps.ok()) return Fail(steps.status());
  run->erase("yaml");
  std::printf("%s\n", base::DumpJson({{"run", *run}, {"steps", *steps}}).c_str());
  return ExitCode(state);
}

// What makes the run that is to be followed.
struct Start {
  std::string path;
  base::Json body;
};

// What is wrong with the pipeline reads as `regatta validate` prints it, without our name before.
int FailOf(const Invocation& call, const absl::Status& status) {
  const std::string message(status.message());
  if (call.file.empty() || !message.starts_with(call.file + ":")) return Fail(status);
  std::fprintf(stderr, "%s\n", message.c_str());
  return SurfaceOf(status).exit;
}

int StartAndFollow(const Invocation& call, const base::Config& settings,
                   const std::function<absl::StatusOr<Start>(ApiClient&)>& find_start) {
  const Interrupts interrupts;
  LogLess(settings);
  const ConnectOptions options = {
      .when_unowned = call.detach ? WhenUnowned::kFail : WhenUnowned::kOwn,
      .port = call.port.value_or(0)};
  auto connection = Connect(settings, options);
  if (!connection.ok()) return Fail(connection.status());
  PrintConsole(call, *connection);
  // One key for this call: a lost answer can be asked for again without a second run.
  const std::string key = base::NewUlid();
  const auto start = find_start(*connection->api);
  if (!start.ok()) return Fail(start.status());
  auto run = connection->api->Post(start->path, start->body, key);
  while (absl::IsUnavailable(run.status()) && connection->passing) {
    connection = Connect(settings, options);
    if (!connection.ok()) return Fail(connection.status());
    PrintConsole(call, *connection);
    run = connection->api->Post(start->path, start->body, key);
  }
  if (!run.ok()) return FailOf(call, run.status());
  const std::string run_id = run->value("id", "");
  if (call.detach) {
    std::printf("%s\n", call.json ? base::DumpJson(*run).c_str() : run_id.c_str());
    return 0;
  }
  if (!call.json) {
    const char* attached =
        run->value("attached", false)
            ? "Continuing run %s of %s, which was interrupted (--new starts anew)"
            : "Run %s of %s";
    std::printf(attached, run_id.c_str(), run->value("pipeline", "").c_str());
    if (const std::string of = run->value("retry_of", ""); !of.empty()) {
      std::printf(", which retries run %s", of.c_str());
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  std::unique_ptr<RunView> view = call.json                      ? NewSilentView()
                                  : LookAtTerminal().is_terminal ? NewTreeView()
                                                                 : NewPlainView();
  const auto result =
      FollowRun(*connection->api, run_id, *view, [&]() -> absl::StatusOr<ApiClient*> {
        if (!connection->passing) {
          return absl::UnavailableError("its server is to be started again");
        }
        ASSIGN_OR_RETURN(*connection, Connect(settings, options));
        view->Say(
            connection->own == nullptr
                ? "The regatta that took care of this run has ended; another goes on with it."
                : absl::StrCat("The regatta that took care of this run has ended; this one goes "
                               "on with it. Console: ",
                               connection->own->MakeLoginAddress()));
        return connection->api.get();
      });
  view.reset();
  if (!result.ok()) return Fail(result.status());
  const RunModel& model = result->model;
  // What is left only reads. An owner that ends now must not spoil it.
  if (connection->passing) {
    auto look = ConnectToLook(settings);
    // It may have been given another --store than we.
    if (look.ok() && look->api->Get("/api/v1/runs/" + run_id).ok()) connection = std::move(look);
  }
  ApiClient& api = *connection->api;
  if (call.json) return PrintJson(api, run_id, model.state());
  PrintFailures(api, run_id, model);
  std::string message = model.run().value("message", "");
  message.resize(std::min(message.find('\n'), message.size()));
  const base::Micros started = model.run().value("started_at", base::Micros{0});
  const base::Micros finished = model.run().value("finished_at", base::Micros{0});
  std::printf("\nRun %s %s%s%s%s\n", run_id.c_str(), model.state().c_str(),
              started != 0 && finished != 0
                  ? absl::StrCat(" in ", base::FormatDuration(finished - started)).c_str()
                  : "",
              message.empty() ? "" : ": ", message.c_str());
  if (connection->own != nullptr) PrintLeftRunning(api);
  return ExitCode(model.state());
}

}  // namespace

int RunPipeline(const Invocation& call, const base::Config& settings) {
  const auto request = MakeRequest(call);
  if (!request.ok()) return Fail(request.status());
  return StartAndFollow(call, settings,
                        [&](ApiClient&) { return Start{"/api/v1/runs", *request}; });
}

int RetryRun(const Invocation& call, const base::Config& settings) {
  return StartAndFollow(call, settings, [&](ApiClient& api) -> absl::StatusOr<Start> {
    ASSIGN_OR_RETURN(const std::string id, FindRun(api, call.run_id));
    return Start{absl::StrCat("/api/v1/runs/", id, "/retry"), base::Json::object()};
  });
}

}  // namespace regatta::cli

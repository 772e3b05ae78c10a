#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/absl_status.h"
#include "base/suggest.h"
#include "base/ulid.h"
#include "cli/commands/commands.h"
#include "cli/commands/lists.h"
#include "cli/connection.h"
#include "cli/find_run.h"
#include "cli/follow.h"
#include "cli/interrupts.h"
#include "cli/run_model.h"
#include "cli/run_view.h"
#include "cli/settings.h"

namespace regatta::cli {
namespace {

std::string PathOf(const std::string& run_id) { return "/api/v1/runs/" + run_id; }

absl::StatusOr<std::string> FindStep(ApiClient& api, const std::string& run_id,
                                     const std::string& given) {
  if (base::IsUlid(given)) return given;
  ASSIGN_OR_RETURN(const auto steps, api.GetAll(PathOf(run_id) + "/steps"));
  std::vector<std::string> names;
  for (const base::Json& step : steps) {
    names.push_back(step.value("name", ""));
    if (names.back() == given) return step.value("id", "");
  }
  return absl::NotFoundError(
      absl::StrCat("run ", run_id, " has no step \"", given, "\"", base::DidYouMean(given, names)));
}

std::string StepsText(const base::Json& run) {
  std::vector<std::string> parts;
  const int cached = run.value("cached_steps", 0);
  if (const auto counts = run.find("step_counts"); counts != run.end()) {
    for (const auto& [state, count] : counts->items()) {
      if (count.get<int>() > 0) parts.push_back(absl::StrCat(count.get<int>(), " ", state));
    }
  }
  std::string text = absl::StrJoin(parts, ", ");
  if (cached > 0) absl::StrAppend(&text, " (", cached, " cached)");
  return text;
}

std::string DurationText(const base::Json& run) {
  const base::Micros started = run.value("started_at", base::Micros{0});
  if (started == 0) return "-";
  return base::FormatDuration(run.value("finished_at", base::NowMicros()) - started);
}

// What is shown of a directory that nobody owns may have been going on when it was stored.
void SayWhoGoesOn(const Connection& connection, const base::Json& run) {
  if (connection.look == nullptr || IsFinalState(run.value("state", ""))) return;
  std::fprintf(
      stderr,
      "\nNobody takes care of unfinished runs now: this is what was stored last. They go on "
      "with `regatta serve`, or with the same `regatta run` again.\n");
}

int PrintPage(const Invocation& call, const base::Json& page) {
  if (call.json) return PrintJson(page);
  const base::Json& runs = page["items"];
  if (runs.empty()) {
    const bool all = call.states.empty() && call.name.empty() && call.pipeline.empty();
    std::printf("No runs%s. Start one: regatta run pipeline.yaml\n", all ? " yet" : " like that");
    return 0;
  }
  std::printf("%-26s  %-20s  %-11s  %-19s  %-9s  %s\n", "ID", "NAME", "STATE", "CREATED (UTC)",
              "TIME", "STEPS");
  const Terminal terminal = LookAtTerminal();
  for (const base::Json& run : runs) {
    std::string created = base::FormatRfc3339(run.value("created_at", base::Micros{0}));
    created = absl::StrCat(created.substr(0, 10), " ", created.substr(11, 8));
    std::printf("%-26s  %-20s  %-11s  %-19s  %-9s  %s\n", run.value("id", "").c_str(),
                Fit(terminal, run.value("name", ""), 20).c_str(), run.value("state", "").c_str(),
                created.c_str(), DurationText(run).c_str(), StepsText(run).c_str());
  }
  SayHowManyMore(page);
  return 0;
}

absl::StatusOr<int> List(const Invocation& call, Connection& connection) {
  std::string pipeline_id, version;
  if (!call.pipeline.empty()) {
    ASSIGN_OR_RETURN(const PipelineName name, ReadPipelineName(call.pipeline));
    ASSIGN_OR_RETURN(const base::Json pipeline,
                     connection.api->Get("/api/v1/pipelines/" + net::PercentEncode(name.pipeline)));
    pipeline_id = pipeline.value("id", "");
    if (name.version != 0) version = absl::StrCat(name.version);
  }
  ASSIGN_OR_RETURN(
      const base::Json page,
      connection.api->Get("/api/v1/runs" + QueryOf({{"limit", absl::StrCat(call.limit)},
                                                    {"state", absl::StrJoin(call.states, ",")},
                                                    {"name", call.name},
                                                    {"pipeline_id", pipeline_id},
                                                    {"pipeline_version", version}})));
  const int code = PrintPage(call, page);
  std::fflush(stdout);
  for (const base::Json& run : page["items"]) {
    if (IsFinalState(run.value("state", ""))) continue;
    SayWhoGoesOn(connection, run);
    break;
  }
  return code;
}

absl::StatusOr<int> Show(const Invocation& call, Connection& connection) {
  ApiClient& api = *connection.api;
  ASSIGN_OR_RETURN(const std::string id, FindRun(api, call.run_id));
  ASSIGN_OR_RETURN(const base::Json run, api.Get(PathOf(id)));
  ASSIGN_OR_RETURN(const auto steps, api.GetAll(PathOf(id) + "/steps"));
  if (call.json) return PrintJson({{"run", run}, {"steps", steps}});
  RunModel model;
  model.SetRun(run);
  for (const base::Json& step : steps) model.SetStep(step);
  std::printf("run       %s\nname      %s\npipeline  %s (%s)\nstate     %s%s%s\ntime      %s\n\n",
              id.c_str(), run.value("name", "").c_str(), run.value("pipeline", "").c_str(),
              run.value("source", "").c_str(), run.value("state", "").c_str(),
              run.value("message", "").empty() ? "" : ": ", run.value("message", "").c_str(),
              DurationText(run).c_str());
  if (const std::string of = run.value("retry_of", ""); !of.empty()) {
    std::printf("retries   %s\n\n", of.c_str());
  }
  for (const std::string& line : RenderSummary(model, LookAtTerminal(), base::NowMicros())) {
    std::printf("%s\n", line.c_str());
  }
  std::fflush(stdout);
  SayWhoGoesOn(connection, run);
  return 0;
}

absl::StatusOr<int> Delete(const Invocation& call, Connection& connection) {
  ApiClient& api = *connection.api;
  ASSIGN_OR_RETURN(const std::string id, FindRun(api, call.run_id));
  ASSIGN_OR_RETURN(
      const base::Json answer,
      api.Delete(PathOf(id) + (call.no_cache_check ? "?check_cache=false" : ""), base::NewUlid()));
  if (call.json) return PrintJson(answer);
  std::printf("run %s is deleted with its artifacts and logs\n", id.c_str());
  return 0;
}

absl::StatusOr<int> Stop(const Invocation& call, Connection& connection) {
  ApiClient& api = *connection.api;
  ASSIGN_OR_RETURN(const std::string id, FindRun(api, call.run_id));
  const Interrupts interrupts;
  ASSIGN_OR_RETURN(base::Json run,
                   api.Post(PathOf(id) + "/stop", {{"force", call.force}}, base::NewUlid()));
  if (connection.own != nullptr) {
    // Nobody else ends its processes.
    const auto view = NewSilentView();
    ASSIGN_OR_RETURN(const FollowResult result, FollowRun(api, id, *view));
    run = result.model.run();
  }
  if (call.json) return PrintJson(run);
  std::printf("run %s is %s\n", id.c_str(), run.value("state", "").c_str());
  return 0;
}

void PrintRange(const base::Json& range) {
  const std::string text = range.value("text", "");
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// "/api/v1/runs/…/steps/…/logs"
absl::StatusOr<std::string> LogPath(const Invocation& call, ApiClient& api) {
  ASSIGN_OR_RETURN(const std::string id, FindRun(api, call.run_id));
  ASSIGN_OR_RETURN(const std::string step, FindStep(api, id, call.step));
  return absl::StrCat(PathOf(id), "/steps/", step, "/logs");
}

absl::StatusOr<int> Logs(const Invocation& call, Connection& connection) {
  ASSIGN_OR_RETURN(const std::string path, LogPath(call, *connection.api));
  std::int64_t offset = 0;
  while (true) {
    ASSIGN_OR_RETURN(const base::Json range,
                     connection.api->Get(absl::StrCat(path, "?limit=1048576&rank=", call.rank,
                                                      "&offset=", offset)));
    PrintRange(range);
    const std::int64_t next = range.value("next_offset", offset);
    if (next == offset || next >= range.value("total", std::int64_t{0})) return 0;
    offset = next;
  }
}

absl::StatusOr<int> FollowLog(const Invocation& call, const base::Config& settings) {
  LogLess(settings);
  const Interrupts interrupts;
  std::int64_t offset = 0;
  while (true) {
    ASSIGN_OR_RETURN(const Connection connection, Connect(settings, kOnlyLook));
    // Unavailable is a server that ends. The process that writes goes on, and its log is read from
    // where it was.
    const absl::StatusOr<std::string> path = LogPath(call, *connection.api);
    if (absl::IsUnavailable(path.status())) continue;
    RETURN_IF_ERROR(path.status());
    bool ended = false;
    const absl::Status status = connection.api->Stream(
        absl::StrCat(*path, "/stream?rank=", call.rank, "&offset=", offset),
        [&](const net::ServerEvent& event) {
          ended = event.type == "end";
          if (event.type != "log") return !ended;
          const auto range = base::ParseJson(event.data);
          if (!range.ok()) return true;
          PrintRange(*range);
          offset = range->value("next_offset", offset);
          return true;
        },
        [] { return Interrupts::Count() == 0; });
    if (ended || Interrupts::Count() > 0) return 0;
    if (!absl::IsUnavailable(status)) RETURN_IF_ERROR(status);
  }
}

// Why the step is in its state. A step that ran says why it had to.
std::string ReasonOf(const base::Json& step) {
  std::string reason = step.value("reason", "");
  const std::string state = step.value("state", "");
  if (!reason.empty()) return reason;
  if (step.value("kind", "") == "dag") {
    return state == "running" ? "its steps are at work" : "its steps succeeded or were skipped";
  }
  return "-";
}

absl::StatusOr<int> Explain(const Invocation& call, Connection& connection) {
  ApiClient& api = *connection.api;
  ASSIGN_OR_RETURN(const std::string id, FindRun(api, call.run_id));
  ASSIGN_OR_RETURN(const std::string step_id, FindStep(api, id, call.step));
  ASSIGN_OR_RETURN(const base::Json step, api.Get(absl::StrCat(PathOf(id), "/steps/", step_id)));
  const base::Json& cache = step["cache"];
  if (call.json) return PrintJson(cache);
  const Terminal terminal = LookAtTerminal();
  std::printf("step      %s (%s)\nreason    %s\n", step.value("name", "").c_str(),
              step.value("state", "").c_str(), ReasonOf(step).c_str());
  if (const std::string condition = step.value("condition", ""); !condition.empty()) {
    std::printf("condition %s\n", condition.c_str());
  }
  const std::string outcome = cache.value("outcome", "");
  if (outcome == "disabled") {
    std::printf("cache     off for this step; `cache: {enable: true}` would turn it on\n");
  } else if (outcome == "hit" || outcome == "miss") {
    std::printf("cache     %s: %s\n", outcome.c_str(), cache.value("reason", "").c_str());
  }
  if (const std::string from = cache.value("from_run_id", ""); !from.empty()) {
    std::printf("taken from run %s, step %s\n", from.c_str(),
                cache.value("from_step_id", "").c_str());
  }
  if (const std::string python = step.value("interpreter", ""); !python.empty()) {
    std::printf("python    %s\n", python.c_str());
  }
  if (cache["parts"].empty()) return 0;
  constexpr int kColumns = 40;
  std::printf("\n  %-28s  %-*s  %s\n", "PART OF THE KEY", kColumns, "NOW", "NEAREST EARLIER RUN");
  for (const base::Json& part : cache["parts"]) {
    const bool changed = part.value("changed", false);
    const std::string value = part.value("value", "");
    const bool gone = changed && value.empty() && part.contains("previous");
    const std::string line =
        absl::StrCat(changed ? "* " : "  ", absl::StrFormat("%-28s", part.value("name", "")), "  ",
                     absl::StrFormat("%-*s", kColumns, Fit(terminal, gone ? "-" : value, kColumns)),
                     "  ", Fit(terminal, part.value("previous", "-"), kColumns));
    std::printf("%s\n", Paint(terminal, changed ? Colour::kYellow : Colour::kNone, line).c_str());
  }
  return 0;
}

}  // namespace

int ListRuns(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, List, kOnlyLook, PrintPage);
}
int ShowRun(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, Show, kOnlyLook);
}
int StopRun(const Invocation& call, const base::Config& settings) {
  // A run that nobody takes care of is taken up to be stopped; the others are not our business.
  return WithApi(call, settings, Stop, kToChange);
}
int DeleteRun(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, Delete, kToChange);
}
int PrintLogs(const Invocation& call, const base::Config& settings) {
  if (call.follow) {
    const absl::StatusOr<int> code = FollowLog(call, settings);
    return code.ok() ? *code : Fail(code.status());
  }
  return WithApi(call, settings, Logs, kOnlyLook);
}
int ExplainStep(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, Explain, kOnlyLook);
}

}  // namespace regatta::cli

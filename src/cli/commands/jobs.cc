#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "base/ulid.h"
#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/interrupts.h"
#include "cli/settings.h"
#include "cli/terminal.h"

namespace regatta::cli {
namespace {

constexpr std::size_t kLongestFile = 4u << 20;
constexpr int kStoppedExit = 130;
// Between two looks at a job: there is no stream of its changes.
constexpr std::chrono::milliseconds kLook{100};

constexpr ConnectOptions kOnlyLook = {.when_unowned = WhenUnowned::kLook};
// A job that nobody takes care of is taken up to be changed; the others are not our business.
constexpr ConnectOptions kToChange = {.when_unowned = WhenUnowned::kOwn,
                                      .take_up = flow::TakeUp::kWhenAsked};

std::string PathOf(const std::string& id) { return "/api/v1/jobs/" + id; }

// "last", a whole id, the beginning of one, or a name that only one job has.
absl::StatusOr<std::string> FindJob(ApiClient& api, const std::string& given) {
  if (base::IsUlid(given)) return given;
  ASSIGN_OR_RETURN(const base::Json page, api.Get("/api/v1/jobs?limit=1000"));
  std::vector<std::string> matches;
  for (const base::Json& job : page["items"]) {
    std::string id = job.value("id", "");
    if (given == "last") return id;
    if (id.starts_with(given) || job.value("name", "") == given) matches.push_back(id);
  }
  if (given == "last") return absl::NotFoundError("no job was submitted yet");
  if (matches.size() == 1) return matches[0];
  if (matches.empty()) {
    return absl::NotFoundError(
        absl::StrCat("there is no job \"", given, "\"; `regatta jobs` lists them"));
  }
  return absl::InvalidArgumentError(absl::StrCat("\"", given, "\" could be ", matches.size(),
                                                 " jobs: give more of the id, or `last`"));
}

int PrintJson(const base::Json& json) {
  std::printf("%s\n", base::DumpJson(json).c_str());
  return 0;
}

bool IsOver(const base::Json& job) {
  const std::string state = job.value("state", "");
  return state == "succeeded" || state == "failed" || state == "suspended";
}

bool HasProcesses(const base::Json& job) {
  for (const base::Json& replica : job["replicas"]) {
    const std::string state = replica.value("state", "");
    if (state == "pending" || state == "running") return true;
  }
  return false;
}

std::string ReplicasText(const base::Json& job) {
  std::vector<std::string> parts;
  for (const auto& [type, count] : job["replica_statuses"].items()) {
    parts.push_back(absl::StrCat(type, " ", count.value("active", 0), "/",
                                 count.value("succeeded", 0), "/", count.value("failed", 0)));
  }
  return absl::StrJoin(parts, ", ");
}

int PrintPage(const Invocation& call, const base::Json& page) {
  if (call.json) return PrintJson(page);
  if (page["items"].empty()) {
    std::printf("No jobs%s. Submit one: regatta submit job.yaml\n",
                call.states.empty() ? " yet" : " in these states");
    return 0;
  }
  const Terminal terminal = LookAtTerminal();
  std::printf("%-26s  %-20s  %-10s  %-10s  %-19s  %s\n", "ID", "NAME", "KIND", "STATE",
              "CREATED (UTC)", "ACTIVE/SUCCEEDED/FAILED");
  for (const base::Json& job : page["items"]) {
    std::string created = base::FormatRfc3339(job.value("created_at", base::Micros{0}));
    created = absl::StrCat(created.substr(0, 10), " ", created.substr(11, 8));
    std::printf("%-26s  %-20s  %-10s  %-10s  %-19s  %s\n", job.value("id", "").c_str(),
                Fit(terminal, job.value("name", ""), 20).c_str(), job.value("kind", "").c_str(),
                job.value("state", "").c_str(), created.c_str(), ReplicasText(job).c_str());
  }
  const int total = page.value("total", 0);
  if (total > static_cast<int>(page["items"].size())) {
    std::printf("%zu of %d; --limit shows more\n", page["items"].size(), total);
  }
  return 0;
}

absl::StatusOr<int> List(const Invocation& call, Connection& connection) {
  ASSIGN_OR_RETURN(
      const base::Json page,
      connection.api->Get("/api/v1/jobs" + QueryOf({{"limit", absl::StrCat(call.limit)},
                                                    {"state", absl::StrJoin(call.states, ",")}})));
  return PrintPage(call, page);
}

void PrintJob(const base::Json& job) {
  const std::string message = job.value("message", "");
  std::printf("job       %s\nname      %s\nkind      %s\nstate     %s%s%s\n\n",
              job.value("id", "").c_str(), job.value("name", "").c_str(),
              job.value("kind", "").c_str(), job.value("state", "").c_str(),
              message.empty() ? "" : ": ", message.c_str());
  std::printf("%-11s  %-6s  %-20s  %s\n", "CONDITION", "STATUS", "SINCE (UTC)", "REASON");
  for (const base::Json& condition : job["conditions"]) {
    const std::string since =
        base::FormatRfc3339(condition.value("last_transition_time", base::Micros{0}));
    std::printf("%-11s  %-6s  %s %-9s  %s\n", condition.value("type", "").c_str(),
                condition.value("status", "").c_str(), since.substr(0, 10).c_str(),
                since.substr(11, 8).c_str(), condition.value("reason", "").c_str());
  }
  std::printf("\n%-4s  %-12s  %-10s  %-8s  %s\n", "RANK", "REPLICA", "STATE", "RESTARTS", "");
  for (const base::Json& replica : job["replicas"]) {
    std::printf("%-4d  %-12s  %-10s  %-8d  %s\n", replica.value("rank", 0),
                absl::StrCat(replica.value("type", ""), " ", replica.value("index", 0)).c_str(),
                replica.value("state", "").c_str(), replica.value("restarts", 0),
                replica.value("message", "").c_str());
  }
  for (const base::Json& warning : job["warnings"]) {
    std::printf("\nwarning: %s", warning.get<std::string>().c_str());
  }
  if (!job["warnings"].empty()) std::printf("\n");
}

absl::StatusOr<int> Show(const Invocation& call, Connection& connection) {
  ASSIGN_OR_RETURN(const std::string id, FindJob(*connection.api, call.job));
  ASSIGN_OR_RETURN(const base::Json job, connection.api->Get(PathOf(id)));
  if (call.json) return PrintJson(job);
  PrintJob(job);
  return 0;
}

// As owner we end its processes before we go: nobody else would.
absl::StatusOr<base::Json> WaitUntilQuiet(ApiClient& api, const std::string& id) {
  while (true) {
    ASSIGN_OR_RETURN(base::Json job, api.Get(PathOf(id)));
    if (IsOver(job) && !HasProcesses(job)) return job;
    std::this_thread::sleep_for(kLook);
  }
}

absl::StatusOr<int> Stop(const Invocation& call, Connection& connection) {
  ApiClient& api = *connection.api;
  ASSIGN_OR_RETURN(const std::string id, FindJob(api, call.job));
  ASSIGN_OR_RETURN(base::Json job,
                   api.Post(PathOf(id) + "/stop", {{"force", call.force}}, base::NewUlid()));
  if (connection.own != nullptr) {
    ASSIGN_OR_RETURN(job, WaitUntilQuiet(api, id));
  }
  if (call.json) return PrintJson(job);
  std::printf("job %s %s; `regatta jobs resume %s` starts it anew\n", id.c_str(),
              IsOver(job) ? "is suspended" : "is being stopped", id.c_str());
  return 0;
}

absl::StatusOr<int> Resume(const Invocation& call, Connection& connection) {
  ASSIGN_OR_RETURN(const std::string id, FindJob(*connection.api, call.job));
  ASSIGN_OR_RETURN(
      const base::Json job,
      connection.api->Post(PathOf(id) + "/resume", base::Json::object(), base::NewUlid()));
  if (call.json) return PrintJson(job);
  std::printf("job %s is %s\n", id.c_str(), job.value("state", "").c_str());
  return 0;
}

absl::StatusOr<int> Delete(const Invocation& call, Connection& connection) {
  ApiClient& api = *connection.api;
  ASSIGN_OR_RETURN(const std::string id, FindJob(api, call.job));
  ASSIGN_OR_RETURN(const base::Json answer, api.Delete(PathOf(id), base::NewUlid()));
  while (connection.own != nullptr && api.Get(PathOf(id)).ok()) std::this_thread::sleep_for(kLook);
  if (call.json) return PrintJson(answer);
  std::printf("job %s is deleted\n", id.c_str());
  return 0;
}

// Prints what a replica has written since `offset`.
absl::Status PrintLog(ApiClient& api, const std::string& id, int rank, std::int64_t* offset) {
  while (true) {
    ASSIGN_OR_RETURN(
        const base::Json range,
        api.Get(absl::StrCat(PathOf(id), "/logs?limit=1048576&rank=", rank, "&offset=", *offset)));
    const std::string text = range.value("text", "");
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    const std::int64_t next = range.value("next_offset", *offset);
    if (next == *offset || next >= range.value("total", std::int64_t{0})) {
      *offset = next;
      return absl::OkStatus();
    }
    *offset = next;
  }
}

absl::StatusOr<int> Logs(const Invocation& call, Connection& connection) {
  ApiClient& api = *connection.api;
  ASSIGN_OR_RETURN(const std::string id, FindJob(api, call.job));
  std::int64_t offset = 0;
  while (call.follow && connection.look == nullptr && Interrupts::Count() == 0) {
    bool ended = false;
    const absl::Status status = api.Stream(
        absl::StrCat(PathOf(id), "/logs/stream?rank=", call.rank, "&offset=", offset),
        [&](const net::ServerEvent& event) {
          ended = event.type == "end";
          const auto range = base::ParseJson(event.data);
          if (event.type != "log" || !range.ok()) return !ended;
          const std::string text = range->value("text", "");
          std::fwrite(text.data(), 1, text.size(), stdout);
          std::fflush(stdout);
          offset = range->value("next_offset", offset);
          return true;
        },
        [] { return Interrupts::Count() == 0; });
    if (ended) return 0;
    RETURN_IF_ERROR(status);
  }
  RETURN_IF_ERROR(PrintLog(api, id, call.rank, &offset));
  return 0;
}

using Answer = absl::StatusOr<int> (*)(const Invocation&, Connection&);

int WithApi(const Invocation& call, const base::Config& settings, Answer command,
            const ConnectOptions& options = kOnlyLook) {
  LogLess(settings);
  auto connection = Connect(settings, options);
  if (command == List && absl::IsNotFound(connection.status())) {
    return PrintPage(call, {{"items", base::Json::array()}, {"total", 0}});
  }
  if (!connection.ok()) return Fail(connection.status());
  const absl::StatusOr<int> code = command(call, *connection);
  return code.ok() ? *code : Fail(code.status());
}

absl::StatusOr<base::Json> MakeRequest(const Invocation& call) {
  auto yaml = base::ReadFile(call.file, kLongestFile);
  if (!yaml.ok()) return ToAbsl(yaml.status());
  std::error_code error;
  const auto file = std::filesystem::canonical(call.file, error);
  if (error) return absl::NotFoundError(absl::StrCat(call.file, ": ", error.message()));
  return base::Json{{"yaml", *std::move(yaml)},
                    {"source", call.file},
                    {"working_directory", file.parent_path().string()}};
}

// Shows the job until it is over and its processes have ended.
absl::StatusOr<base::Json> Watch(const Invocation& call, ApiClient& api, const std::string& id) {
  std::string shown;
  std::int64_t offset = 0;
  int restarts = 0;
  int interrupts = 0;
  base::Json job;
  while (true) {
    auto next = api.Get(PathOf(id));
    // Its time to live may be over before we look again.
    if (absl::IsNotFound(next.status()) && !job.is_null() && IsOver(job)) return job;
    if (!next.ok()) return next.status();
    job = *std::move(next);
    if (call.follow && !job["replicas"].empty()) {
      const int now = job["replicas"][0].value("restarts", 0);
      if (now != restarts) offset = 0;
      restarts = now;
      RETURN_IF_ERROR(PrintLog(api, id, 0, &offset));
    }
    const std::string state = job.value("state", "");
    if (!call.json && state != shown) {
      const std::string message = job.value("message", "");
      std::printf("%s %s%s%s\n", base::FormatRfc3339(base::NowMicros()).substr(11, 8).c_str(),
                  state.c_str(), message.empty() ? "" : ": ", message.c_str());
      std::fflush(stdout);
      shown = state;
    }
    if (IsOver(job) && !HasProcesses(job)) return job;
    // Once: politely. Twice: now.
    if (const int count = std::min(Interrupts::Count(), 2); count > interrupts) {
      interrupts = count;
      const auto stopped = api.Post(PathOf(id) + "/stop", {{"force", count == 2}}, base::NewUlid());
      if (!stopped.ok() && !absl::IsFailedPrecondition(stopped.status())) return stopped.status();
    }
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace

int SubmitJob(const Invocation& call, const base::Config& settings) {
  const auto request = MakeRequest(call);
  if (!request.ok()) return Fail(request.status());
  const Interrupts interrupts;
  LogLess(settings);
  auto connection =
      Connect(settings, {.when_unowned = call.detach ? WhenUnowned::kFail : WhenUnowned::kOwn});
  if (!connection.ok()) return Fail(connection.status());
  ApiClient& api = *connection->api;
  const auto created = api.Post("/api/v1/jobs", *request, base::NewUlid());
  if (!created.ok()) return Fail(created.status());
  const std::string id = created->value("id", "");
  for (const base::Json& warning : (*created)["warnings"]) {
    std::fprintf(stderr, "warning: %s\n", warning.get<std::string>().c_str());
  }
  if (call.detach) {
    if (call.json) return PrintJson(*created);
    std::printf("%s\n", id.c_str());
    return 0;
  }
  if (!call.json) std::printf("Job %s (%s)\n", id.c_str(), (*created).value("name", "").c_str());
  const auto job = Watch(call, api, id);
  if (!job.ok()) return Fail(job.status());
  const std::string state = job->value("state", "");
  if (call.json) {
    PrintJson(*job);
  } else if (state == "failed") {
    std::fprintf(stderr, "what it wrote: regatta jobs logs %s --rank N\n", id.c_str());
  }
  return state == "succeeded" ? 0 : state == "failed" ? 1 : kStoppedExit;
}

int ListJobs(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, List);
}
int ShowJob(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, Show);
}
int StopJob(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, Stop, kToChange);
}
int ResumeJob(const Invocation& call, const base::Config& settings) {
  // What is started must have somebody to look after it.
  return WithApi(call, settings, Resume, {.when_unowned = WhenUnowned::kFail});
}
int DeleteJob(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, Delete, kToChange);
}
int PrintJobLog(const Invocation& call, const base::Config& settings) {
  const Interrupts interrupts;  // before any thread
  return WithApi(call, settings, Logs);
}

}  // namespace regatta::cli

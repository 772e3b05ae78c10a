#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/ulid.h"
#include "cli/commands/commands.h"
#include "cli/commands/lists.h"
#include "cli/connection.h"
#include "cli/find_run.h"
#include "cli/terminal.h"

namespace regatta::cli {
namespace {

// The id behind --run; "" when it was not given.
absl::StatusOr<std::string> RunOf(const Invocation& call, ApiClient& api) {
  if (call.run_id.empty()) return "";
  return FindRun(api, call.run_id);
}

bool IsFiltered(const Invocation& call) {
  return !call.run_id.empty() || !call.step.empty() || !call.name.empty() || !call.kind.empty();
}

int PrintArtifacts(const Invocation& call, const base::Json& page) {
  if (call.json) return PrintJson(page);
  if (page["items"].empty()) {
    std::printf("No artifacts%s\n", IsFiltered(call)
                                        ? " like that"
                                        : " yet: they are what steps name in `artifacts.output`");
    return 0;
  }
  const Terminal terminal = LookAtTerminal();
  std::printf("%-26s  %-20s  %-20s  %-6s  %-10s  %s\n", "RUN", "STEP", "ARTIFACT", "KIND", "SIZE",
              "PATH");
  for (const base::Json& item : page["items"]) {
    const bool taken = item.contains("from_run_id");
    std::printf("%-26s  %-20s  %-20s  %-6s  %-10s  %s%s\n", item.value("run_id", "").c_str(),
                Fit(terminal, item.value("step", ""), 20).c_str(),
                Fit(terminal, item.value("name", ""), 20).c_str(), item.value("kind", "").c_str(),
                SizeText(item.value("bytes", std::int64_t{0})).c_str(),
                item.value("path", "").c_str(), taken ? " (taken over)" : "");
  }
  SayHowManyMore(page);
  return 0;
}

absl::StatusOr<int> ListArtifactsOf(const Invocation& call, Connection& connection) {
  ASSIGN_OR_RETURN(const std::string run, RunOf(call, *connection.api));
  ASSIGN_OR_RETURN(
      const base::Json page,
      connection.api->Get("/api/v1/artifacts" + QueryOf({{"limit", absl::StrCat(call.limit)},
                                                         {"run_id", run},
                                                         {"step", call.step},
                                                         {"name", call.name},
                                                         {"kind", call.kind}})));
  return PrintArtifacts(call, page);
}

int PrintCaches(const Invocation& call, const base::Json& page) {
  if (call.json) return PrintJson(page);
  if (page["items"].empty()) {
    std::printf("The cache has nothing%s\n",
                IsFiltered(call) ? " like that"
                                 : " yet: it keeps results of steps with `cache: {enable: true}`");
    return 0;
  }
  const Terminal terminal = LookAtTerminal();
  std::printf("%-26s  %-20s  %-20s  %-19s  %s\n", "ID", "STEP", "RUN", "SINCE (UTC)", "KEY");
  for (const base::Json& entry : page["items"]) {
    std::printf("%-26s  %-20s  %-20s  %-19s  %s\n", entry.value("id", "").c_str(),
                Fit(terminal, entry.value("step", ""), 20).c_str(),
                Fit(terminal, entry.value("run_name", ""), 20).c_str(),
                TimeText(entry, "created_at").c_str(),
                entry.value("key", "").substr(0, 24).c_str());
  }
  SayHowManyMore(page);
  return 0;
}

absl::StatusOr<int> ListCachesOf(const Invocation& call, Connection& connection) {
  ASSIGN_OR_RETURN(const std::string run, RunOf(call, *connection.api));
  ASSIGN_OR_RETURN(
      const base::Json page,
      connection.api->Get(
          "/api/v1/caches" +
          QueryOf({{"limit", absl::StrCat(call.limit)}, {"run_id", run}, {"step", call.step}})));
  return PrintCaches(call, page);
}

absl::StatusOr<int> Show(const Invocation& call, Connection& connection) {
  ASSIGN_OR_RETURN(const base::Json entry, connection.api->Get("/api/v1/caches/" + call.cache));
  if (call.json) return PrintJson(entry);
  std::printf(
      "cache     %s\nkey       %s\nresult    %s\nsince     %s\nstep      %s\nrun       %s "
      "(%s)\n",
      entry.value("id", "").c_str(), entry.value("key", "").c_str(),
      entry.value("result", "").c_str(), TimeText(entry, "created_at").c_str(),
      entry.value("step", "").c_str(), entry.value("run_name", "").c_str(),
      entry.value("run_id", "").c_str());
  for (const base::Json& output : entry["outputs"]) {
    std::printf("output    %s: %s, %s\n          %s\n", output.value("name", "").c_str(),
                SizeText(output.value("bytes", std::int64_t{0})).c_str(),
                output.value("digest", "").c_str(), output.value("path", "").c_str());
  }
  std::printf("\nwhat the key is made of: regatta runs explain %s %s\n",
              entry.value("run_id", "").c_str(), entry.value("step", "").c_str());
  return 0;
}

absl::StatusOr<int> Delete(const Invocation& call, Connection& connection) {
  ASSIGN_OR_RETURN(const base::Json answer,
                   connection.api->Delete("/api/v1/caches/" + call.cache, base::NewUlid()));
  if (call.json) return PrintJson(answer);
  std::printf("the cache has forgotten %s; its step runs when it is asked for again\n",
              call.cache.c_str());
  return 0;
}

}  // namespace

int ListArtifacts(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, ListArtifactsOf, kOnlyLook, PrintArtifacts);
}
int ListCaches(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, ListCachesOf, kOnlyLook, PrintCaches);
}
int ShowCache(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, Show, kOnlyLook);
}
int DeleteCache(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, Delete, kToChange);
}

}  // namespace regatta::cli

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "base/ulid.h"
#include "cli/commands/commands.h"
#include "cli/commands/lists.h"
#include "cli/connection.h"
#include "cli/settings.h"
#include "cli/terminal.h"

namespace regatta::cli {
namespace {

constexpr std::size_t kLongestPipeline = 4u << 20;

std::string PathOf(const std::string& pipeline) {
  return "/api/v1/pipelines/" + net::PercentEncode(pipeline);
}

absl::StatusOr<base::Json> ReadText(const Invocation& call) {
  auto yaml = base::ReadFile(call.file, kLongestPipeline);
  if (!yaml.ok()) return ToAbsl(yaml.status());
  base::Json body = {{"yaml", *std::move(yaml)}, {"source", call.file}};
  if (!call.description.empty()) body["description"] = call.description;
  return body;
}

int PrintPage(const Invocation& call, const base::Json& page) {
  if (call.json) return PrintJson(page);
  if (page["items"].empty()) {
    std::printf("No pipelines%s. Store one: regatta pipelines create pipeline.yaml\n",
                call.name.empty() ? " yet" : " with such a name");
    return 0;
  }
  const Terminal terminal = LookAtTerminal();
  std::printf("%-26s  %-30s  %-7s  %-19s  %s\n", "ID", "NAME", "VERSION", "CHANGED (UTC)",
              "DESCRIPTION");
  for (const base::Json& pipeline : page["items"]) {
    std::printf("%-26s  %-30s  %-7lld  %-19s  %s\n", pipeline.value("id", "").c_str(),
                Fit(terminal, pipeline.value("name", ""), 30).c_str(),
                static_cast<long long>(pipeline["latest"].value("version", std::int64_t{0})),
                TimeText(pipeline, "updated_at").c_str(),
                Fit(terminal, pipeline.value("description", ""), 40).c_str());
  }
  SayHowManyMore(page);
  return 0;
}

absl::StatusOr<int> List(const Invocation& call, Connection& connection) {
  ASSIGN_OR_RETURN(
      const base::Json page,
      connection.api->Get("/api/v1/pipelines" +
                          QueryOf({{"limit", absl::StrCat(call.limit)}, {"name", call.name}})));
  return PrintPage(call, page);
}

absl::StatusOr<int> Create(const Invocation& call, Connection& connection) {
  ASSIGN_OR_RETURN(base::Json body, ReadText(call));
  if (!call.name.empty()) body["name"] = call.name;
  ASSIGN_OR_RETURN(const base::Json pipeline,
                   connection.api->Post("/api/v1/pipelines", body, base::NewUlid()));
  if (call.json) return PrintJson(pipeline);
  const std::string name = pipeline.value("name", "");
  std::printf("pipeline %s is stored (%s); `regatta run --pipeline %s` runs it\n", name.c_str(),
              pipeline.value("id", "").c_str(), name.c_str());
  return 0;
}

absl::StatusOr<int> Update(const Invocation& call, Connection& connection) {
  ASSIGN_OR_RETURN(const base::Json body, ReadText(call));
  ApiClient& api = *connection.api;
  ASSIGN_OR_RETURN(const base::Json before, api.Get(PathOf(call.pipeline)));
  ASSIGN_OR_RETURN(const base::Json version,
                   api.Post(PathOf(call.pipeline) + "/versions", body, base::NewUlid()));
  if (call.json) return PrintJson(version);
  const auto number = version.value("version", std::int64_t{0});
  const bool same = before["latest"].value("version", std::int64_t{0}) == number;
  std::printf("pipeline %s %s version %lld%s\n", version.value("pipeline", "").c_str(),
              same ? "stays at" : "has", static_cast<long long>(number),
              same ? ": it has this very text" : " now");
  return 0;
}

absl::StatusOr<int> Versions(const Invocation& call, Connection& connection) {
  ASSIGN_OR_RETURN(const base::Json page,
                   connection.api->Get(PathOf(call.pipeline) + "/versions" +
                                       QueryOf({{"limit", absl::StrCat(call.limit)}})));
  if (call.json) return PrintJson(page);
  const Terminal terminal = LookAtTerminal();
  std::printf("%-7s  %-19s  %-12s  %-19s  %s\n", "VERSION", "ADDED (UTC)", "BY", "SHA-256",
              "DESCRIPTION");
  for (const base::Json& version : page["items"]) {
    std::printf("%-7lld  %-19s  %-12s  %-19s  %s\n",
                static_cast<long long>(version.value("version", std::int64_t{0})),
                TimeText(version, "created_at").c_str(),
                Fit(terminal, version.value("created_by", ""), 12).c_str(),
                version.value("digest", "").substr(7, 19).c_str(),
                Fit(terminal, version.value("description", ""), 40).c_str());
  }
  SayHowManyMore(page);
  return 0;
}

absl::StatusOr<int> Show(const Invocation& call, Connection& connection) {
  ASSIGN_OR_RETURN(const PipelineName name, ReadPipelineName(call.pipeline));
  ApiClient& api = *connection.api;
  ASSIGN_OR_RETURN(const base::Json pipeline, api.Get(PathOf(name.pipeline)));
  base::Json version = pipeline["latest"];
  if (name.version != 0) {
    ASSIGN_OR_RETURN(version,
                     api.Get(absl::StrCat(PathOf(name.pipeline), "/versions/", name.version)));
  }
  if (call.json) return PrintJson({{"pipeline", pipeline}, {"version", version}});
  const std::string description = pipeline.value("description", "");
  const std::string changed = version.value("description", "");
  std::printf("pipeline  %s\nname      %s\n%s%s%sversion   %lld of %s%s%s\nversions  %lld\n\n%s",
              pipeline.value("id", "").c_str(), pipeline.value("name", "").c_str(),
              description.empty() ? "" : "about     ", description.c_str(),
              description.empty() ? "" : "\n",
              static_cast<long long>(version.value("version", std::int64_t{0})),
              TimeText(version, "created_at").c_str(), changed.empty() ? "" : ": ", changed.c_str(),
              static_cast<long long>(pipeline.value("versions", std::int64_t{0})),
              version.value("yaml", "").c_str());
  return 0;
}

absl::StatusOr<int> Delete(const Invocation& call, Connection& connection) {
  ASSIGN_OR_RETURN(const PipelineName name, ReadPipelineName(call.pipeline));
  std::string path = PathOf(name.pipeline);
  if (name.version != 0) absl::StrAppend(&path, "/versions/", name.version);
  ASSIGN_OR_RETURN(const base::Json answer, connection.api->Delete(path, base::NewUlid()));
  if (call.json) return PrintJson(answer);
  if (name.version != 0) {
    std::printf("version %lld of pipeline %s is deleted\n", static_cast<long long>(name.version),
                name.pipeline.c_str());
  } else {
    std::printf("pipeline %s is deleted with its versions; its runs stay\n", name.pipeline.c_str());
  }
  return 0;
}

}  // namespace

absl::StatusOr<PipelineName> ReadPipelineName(const std::string& given) {
  const std::size_t at = given.find('@');
  PipelineName name{.pipeline = given.substr(0, at)};
  if (at == std::string::npos && !given.empty()) return name;
  const std::string number = at == std::string::npos ? "" : given.substr(at + 1);
  const bool is_number = !number.empty() && number.size() <= 9 && number[0] != '0' &&
                         number.find_first_not_of("0123456789") == std::string::npos;
  if (name.pipeline.empty() || !is_number) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", given,
                     "\" must be a pipeline's name or id, or one with a version, for "
                     "example train@3"));
  }
  name.version = std::stoll(number);
  return name;
}

int ListPipelines(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, List, kOnlyLook, PrintPage);
}
int CreatePipeline(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, Create, kToChange);
}
int ShowPipeline(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, Show, kOnlyLook);
}
int ListPipelineVersions(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, Versions, kOnlyLook);
}
int UpdatePipeline(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, Update, kToChange);
}
int DeletePipeline(const Invocation& call, const base::Config& settings) {
  return WithApi(call, settings, Delete, kToChange);
}

}  // namespace regatta::cli

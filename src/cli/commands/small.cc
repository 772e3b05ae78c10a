// The commands that are a few lines each.

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/file.h"
#include "base/version.h"
#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "flow/parse.h"

namespace regatta::cli {

int Fail(const absl::Status& status) {
  const std::string message(status.message());
  std::fprintf(stderr, "regatta: %s\n", message.c_str());
  return SurfaceOf(status).exit;
}

namespace {

int CountSteps(const std::vector<std::unique_ptr<flow::Node>>& nodes) {
  int count = 0;
  for (const auto& node : nodes) {
    count += node->kind == flow::NodeKind::kDag ? CountSteps(node->children) : 1;
  }
  return count;
}

}  // namespace

int Validate(const Invocation& call, const base::Config&) {
  const auto yaml = base::ReadFile(call.file, 4u << 20);
  if (!yaml.ok()) return Fail(ToAbsl(yaml.status()));
  std::vector<flow::Problem> problems;
  const auto pipeline =
      flow::ParsePipeline(*yaml, {.file = call.file, .paddleflow_compat = call.compat}, &problems);
  if (call.json) {
    base::Json list = base::Json::array();
    for (const flow::Problem& problem : problems) {
      list.push_back({{"file", problem.place.file},
                      {"line", problem.place.line},
                      {"column", problem.place.column},
                      {"path", problem.path},
                      {"message", problem.message}});
    }
    std::printf("%s\n",
                base::DumpJson({{"valid", pipeline.ok()}, {"problems", std::move(list)}}).c_str());
    return pipeline.ok() ? 0 : 2;
  }
  if (!pipeline.ok()) {
    if (problems.empty()) return Fail(pipeline.status());
    for (const flow::Problem& problem : problems) {
      std::fprintf(stderr, "%s\n", problem.ToString().c_str());
    }
    return 2;
  }
  const int steps = CountSteps(pipeline->entry_points) + (pipeline->post_process ? 1 : 0);
  std::printf("%s: \"%s\" is right, %d step%s\n", call.file.c_str(), pipeline->name.c_str(), steps,
              steps == 1 ? "" : "s");
  return 0;
}

int PrintConsoleAddress(const Invocation&, const base::Config& settings) {
  auto connection = Connect(settings, {.when_unowned = WhenUnowned::kFail});
  if (!connection.ok()) return Fail(connection.status());
  const auto code = connection->api->Post("/api/v1/login-codes", base::Json::object());
  if (!code.ok()) return Fail(code.status());
  const std::string address =
      absl::StrCat(connection->api->address(), "/#code=", code->value("code", ""));
  std::printf("%s\n", address.c_str());
  return 0;
}

int ShowConfig(const Invocation& call, const base::Config& settings) {
  if (call.json) {
    base::Json json = base::Json::object();
    for (const base::Config::Shown& shown : settings.Show()) {
      json[shown.name] = {{"value", shown.value}, {"from", shown.origin}};
    }
    std::printf("%s\n", base::DumpJson(json).c_str());
    return 0;
  }
  for (const base::Config::Shown& shown : settings.Show()) {
    std::printf("%-14s = %-34s  # %s: %s\n", shown.name.c_str(),
                shown.value.empty() ? "\"\"" : shown.value.c_str(), shown.origin.c_str(),
                shown.help.c_str());
  }
  return 0;
}

int PrintCompletion(const Invocation& call, const base::Config&) {
  std::printf("%s", CompletionScript(call.shell).c_str());
  return 0;
}

int PrintVersion(const Invocation& call, const base::Config&) {
  if (call.json) {
    std::printf("%s\n", base::DumpJson({{"version", base::Version()}, {"api", "v1"}}).c_str());
  } else {
    std::printf("regatta %s\n", base::Version());
  }
  return 0;
}

}  // namespace regatta::cli

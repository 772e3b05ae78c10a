#include <cstdio>

#include "base/absl_status.h"
#include "base/json.h"
#include "cli/commands/commands.h"
#include "cli/eccl_status.h"
#include "eccl/status_server.h"

namespace regatta::cli {

int ShowEcclStatus(const Invocation& call, const base::Config&) {
  std::vector<std::string> problems;
  const auto texts = eccl::AskStatus(call.pid, &problems);
  if (!texts.ok()) return Fail(ToAbsl(texts.status()));
  std::vector<base::Json> answers;
  for (const std::string& text : *texts) {
    auto answer = base::ParseJson(text, {.bytes = 64u << 20});
    if (answer.ok() && answer->value("version", 0) == 1) {
      answers.push_back(*std::move(answer));
    } else {
      problems.emplace_back("a process gave an answer that this release cannot read");
    }
  }
  if (call.json) {
    std::printf("%s\n", base::DumpJson({{"processes", answers}, {"problems", problems}}).c_str());
    return 0;
  }
  std::printf("%s", RenderEcclStatus(answers).c_str());
  for (const std::string& problem : problems) {
    std::fprintf(stderr, "regatta: %s\n", problem.c_str());
  }
  return 0;
}

}  // namespace regatta::cli

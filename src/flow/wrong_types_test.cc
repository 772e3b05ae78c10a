#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "flow/parse.h"

namespace regatta::flow {
namespace {

using ::testing::StartsWith;

// A field, and what it takes: t(ext), n(umber), b(ool), l(ist), m(ap).
struct Field {
  const char* path;
  const char* before;  // what stands before its value
  const char* after;   // what stands behind it
  const char* takes;
};

constexpr char kTop[] = "name: p\nentry_points: {s: {command: x}}\n";
constexpr char kStep[] = "name: p\nentry_points:\n  s:\n    command: x\n    ";
constexpr char kBare[] = "name: p\nentry_points:\n  s:\n    ";
constexpr char kDag[] = "name: p\nentry_points:\n  d:\n    entry_points: {s: {command: x}}\n    ";

const std::vector<Field> kFields = {
    {"name", "name: ", "\nentry_points: {s: {command: x}}", "t"},
    {"entry_points", "name: p\nentry_points: ", "", "m"},
    {"entry_points.s", "name: p\nentry_points: {s: ", "}", "m"},
    {"docker_env", "docker_env: ", "", "t"},
    {"components", "components: ", "", "m"},
    {"components.c", "components: {c: ", "}", "m"},
    {"parallelism", "parallelism: ", "", "n"},
    {"disabled", "disabled: ", "", "t"},
    {"compat", "compat: ", "", "t"},
    {"failure_options", "failure_options: ", "", "m"},
    {"failure_options.strategy", "failure_options: {strategy: ", "}", "t"},
    {"post_process", "post_process: ", "", "m"},
    {"post_process.q", "post_process: {q: ", "}", "m"},
    {"cache", "cache: ", "", "m"},
    {"cache.enable", "cache: {enable: ", "}", "b"},
    {"cache.max_expired_time", "cache: {max_expired_time: ", "}", "n"},
    {"cache.fs_scope", "cache: {fs_scope: ", "}", "l"},
    {"cache.fs_scope[0]", "cache: {fs_scope: [", "]}", "m"},
    {"cache.fs_scope[0].name", "cache: {fs_scope: [{name: ", "}]}", "t"},
    {"cache.fs_scope[0].path", "cache: {fs_scope: [{name: f, path: ", "}]}", "t"},
    {"fs_options", "fs_options: ", "", "m"},
    {"fs_options.main_fs", "fs_options: {main_fs: ", "}", "m"},
    {"fs_options.main_fs.name", "fs_options: {main_fs: {name: ", "}}", "t"},
    {"fs_options.main_fs.sub_path", "fs_options: {main_fs: {name: f, sub_path: ", "}}", "t"},
    {"fs_options.main_fs.mount_path", "fs_options: {main_fs: {name: f, mount_path: ", "}}", "t"},
    {"fs_options.main_fs.read_only", "fs_options: {main_fs: {name: f, read_only: ", "}}", "b"},
    {"fs_options.extra_fs", "fs_options: {extra_fs: ", "}", "l"},
    {"fs_options.extra_fs[0]", "fs_options: {extra_fs: [", "]}", "m"},
    {"entry_points.s.command", kBare, "command: ", "tl"},
    {"entry_points.s.command", kBare, "command: [x, ", "tnb"},
    {"entry_points.s.type", kStep, "type: ", "t"},
    {"entry_points.s.condition", kStep, "condition: ", "t"},
    {"entry_points.s.deps", kStep, "deps: ", "tl"},
    {"entry_points.s.docker_env", kStep, "docker_env: ", "t"},
    {"entry_points.s.loop_argument", kStep, "loop_argument: ", "tl"},
    {"entry_points.s.parameters", kStep, "parameters: ", "m"},
    {"entry_points.s.parameters.p", kStep, "parameters: {p: ", "tnlm"},
    {"entry_points.s.parameters.p.type", kStep, "parameters: {p: {type: ", "t"},
    {"entry_points.s.parameters.p.default", kStep, "parameters: {p: {type: int, default: ", "n"},
    {"entry_points.s.parameters.p.default", kStep, "parameters: {p: {type: float, default: ", "n"},
    {"entry_points.s.parameters.p.default", kStep, "parameters: {p: {type: string, default: ", "t"},
    {"entry_points.s.parameters.p.default", kStep, "parameters: {p: {type: path, default: ", "t"},
    {"entry_points.s.parameters.p.default", kStep, "parameters: {p: {type: list, default: ", "l"},
    {"entry_points.s.artifacts", kStep, "artifacts: ", "m"},
    {"entry_points.s.artifacts.input", kStep, "artifacts: {input: ", "m"},
    {"entry_points.s.artifacts.input.i", kStep, "artifacts: {input: {i: ", "t"},
    {"entry_points.s.artifacts.output", kStep, "artifacts: {output: ", "lm"},
    {"entry_points.s.artifacts.output", kStep, "artifacts: {output: [", "tb"},
    {"entry_points.s.artifacts.output.o", kStep, "artifacts: {output: {o: ", ""},
    {"entry_points.s.env", kStep, "env: ", "m"},
    {"entry_points.s.env.A", kStep, "env: {A: ", "tn"},
    {"entry_points.s.cache", kStep, "cache: ", "m"},
    {"entry_points.s.extra_fs", kStep, "extra_fs: ", "l"},
    {"entry_points.s.extra_fs[0]", kStep, "extra_fs: [", "m"},
    {"entry_points.s.extra_fs[0].name", kStep, "extra_fs: [{name: ", "t"},
    {"entry_points.s.reference", kBare, "reference: ", "m"},
    {"entry_points.s.reference.component", kBare, "reference: {component: ", "t"},
    {"entry_points.s.timeout", kStep, "timeout: ", "t"},
    {"entry_points.s.grace", kStep, "grace: ", "t"},
    {"entry_points.s.retry", kStep, "retry: ", "m"},
    {"entry_points.s.retry.limit", kStep, "retry: {limit: ", "n"},
    {"entry_points.s.retry.backoff", kStep, "retry: {limit: 1, backoff: ", "t"},
    {"entry_points.s.retry.on", kStep, "retry: {limit: 1, on: ", "l"},
    {"entry_points.s.snapshot", kStep, "snapshot: ", "m"},
    {"entry_points.s.snapshot.paths", kStep, "snapshot: {paths: ", "l"},
    {"entry_points.s.python", kStep, "python: ", "m"},
    {"entry_points.s.python.imports", kStep, "python: {imports: ", "l"},
    {"entry_points.s.distributed_job", kStep, "distributed_job: ", "m"},
    {"entry_points.s.distributed_job.members", kStep, "distributed_job: {members: ", "l"},
    {"entry_points.s.distributed_job.framework", kStep,
     "distributed_job: {members: [{role: w}], framework: ", "t"},
    {"entry_points.d.entry_points", "name: p\nentry_points:\n  d:\n    ", "entry_points: ", "m"},
    {"entry_points.d.type", kDag, "type: ", "t"},
    {"entry_points.d.condition", kDag, "condition: ", "t"},
    {"entry_points.d.deps", kDag, "deps: ", "tl"},
    {"entry_points.d.loop_argument", kDag, "loop_argument: ", "tl"},
    {"entry_points.d.parameters", kDag, "parameters: ", "m"},
    {"entry_points.d.artifacts.output", kDag, "artifacts: {output: ", "m"},
    {"entry_points.d.artifacts.output.o", kDag, "artifacts: {output: {o: ", "t"},
};

// The whole file: what opened before the value closes behind it.
std::string FileOf(const Field& field, const std::string& value, int* line) {
  std::string head = field.before;
  std::string tail = field.after;
  if (head.starts_with("name: p\nentry_points:\n")) {
    head += tail;
    tail.clear();
    for (const char c : std::string(field.after)) {
      if (c == '{') tail.insert(0, "}");
      if (c == '[') tail.insert(0, "]");
      if (c == '}' || c == ']') tail.erase(0, 1);
    }
  } else if (!head.starts_with("name: ")) {
    head = kTop + head;
  }
  *line = 1;
  for (const char c : head) *line += c == '\n' ? 1 : 0;
  return head + value + tail + "\n";
}

TEST(WrongTypes, OfEveryFieldAreToldWithPlaceAndPath) {
  const std::vector<std::pair<char, const char*>> values = {
      {'t', "some-text"}, {'n', "5"}, {'b', "true"}, {'l', "[x]"}, {'m', "{x: 1}"}};
  int refused = 0;
  for (const Field& field : kFields) {
    for (const auto& [kind, value] : values) {
      if (std::string(field.takes).find(kind) != std::string::npos) continue;
      int line = 0;
      const std::string yaml = FileOf(field, value, &line);
      SCOPED_TRACE(yaml);
      std::vector<Problem> problems;
      const auto pipeline = ParsePipeline(yaml, {.file = "p.yaml"}, &problems);
      ASSERT_FALSE(pipeline.ok());
      bool found = false;
      for (const Problem& problem : problems) {
        found = found || (problem.place.line == line && problem.place.column > 0 &&
                          problem.path.starts_with(field.path) && !problem.message.empty());
      }
      EXPECT_TRUE(found) << problems.front().ToString();
      EXPECT_THAT(std::string(pipeline.status().message()), StartsWith("p.yaml:"));
      ++refused;
    }
  }
  EXPECT_GT(refused, 250);
}

}  // namespace
}  // namespace regatta::flow

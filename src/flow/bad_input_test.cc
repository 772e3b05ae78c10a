#include <gmock/gmock.h>
#include <sys/stat.h>

#include <ctime>
#include <functional>
#include <tuple>

#include "flow/testing/engine_bench.h"

namespace regatta::flow {
namespace {

using testing::EngineTest;
using ::testing::HasSubstr;
using testing::Machine;
using ::testing::StartsWith;

struct Bad {
  const char* what;
  std::string yaml;
  std::string first;  // how the first problem begins
};

// Steps `a` (a parameter k, an output o) and `b`, whose further fields begin in line 6.
std::string B(const std::string& rest) {
  return "name: p\nentry_points:\n  a: {command: x, parameters: {k: 1}, artifacts: {output: [o]}}\n"
         "  b:\n    command: x\n" +
         rest;
}

// A component `c` with a typed parameter and an input, used by `b`, whose fields begin in line 8.
std::string Component(const std::string& rest) {
  return "name: p\ncomponents:\n  c: {parameters: {n: {type: int, default: 1}}, command: \"x "
         "{{i}}\",\n"
         "      artifacts: {input: {i: \"\"}}}\nentry_points:\n"
         "  a: {command: x, artifacts: {output: [o]}}\n  b:\n" +
         rest;
}

std::string Nested(int levels) {
  std::string yaml = "name: p\nentry_points: {";
  for (int i = 0; i < levels; ++i) yaml += "d" + std::to_string(i) + ": {entry_points: {";
  yaml += "s: {command: x}";
  return yaml + std::string(static_cast<std::size_t>(2 * levels), '}') + "}\n";
}

std::string Chain(int count) {
  std::string yaml = "name: p\nentry_points:\n";
  for (int i = 0; i < count; ++i) {
    yaml += "  s" + std::to_string(i) + ": {command: x, deps: s" + std::to_string((i + 1) % count) +
            "}\n";
  }
  return yaml;
}

std::string Aliases() {
  std::string yaml = "name: p\nx0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 10; ++i) {
    yaml += "x" + std::to_string(i) + ": &x" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) yaml += "*x" + std::to_string(i - 1) + ", ";
    yaml += "1]\n";
  }
  return yaml;
}

std::vector<Bad> Texts() {
  const std::string big(10u << 20, 'x');
  return {
      {"nothing", "", "p.yaml:1:1: the file is empty"},
      {"a comment alone", "# nothing\n", "p.yaml:1:1: the file is empty"},
      {"10 MiB text", "name: p\nentry_points: {a: {command: " + big + "}}\n",
       "p.yaml:1:1: a file of 10485"},
      {"text over its own limit",
       "name: p\nentry_points:\n  a:\n    command: " + big.substr(0, 2u << 20) + "\n",
       "p.yaml:4:14: a text of 2097152 bytes is over the limit of 1048576"},
      {"alias bomb", Aliases(), "p.yaml:2:5: anchors (&name) are not supported"},
      {"alias", "name: *p\n", "p.yaml:1:7: "},
      {"tag", "name: !!binary aGk=\n", "p.yaml:1:7: tags ("},
      {"100-deep DAG", Nested(100), "p.yaml:2:"},
      {"two documents", "name: p\n---\nname: q\n", "p.yaml:3:1: a second document begins here"},
      {"duplicate key", B("    command: y\n"),
       "p.yaml:6:5: the key \"command\" stands here a second"},
      {"tab", "name: p\nentry_points:\n\ta: {command: x}\n",
       "p.yaml:3:1: a tab in the indentation"},
      {"invalid UTF-8", "name: p\n# \xc3\x28\n", "p.yaml:2:3: not UTF-8 text"},
      {"NUL", std::string("name: p\0\n", 9), "p.yaml:1:8: not UTF-8 text"},
      {"UTF-16", std::string("\xff\xfen\0a\0m\0e\0", 10), "p.yaml:1:1: not UTF-8 text"},
      {"a list", "- name: p\n", "p.yaml:1:1: a workflow is a map of keys to values, not a list"},
      {"unclosed", "name: \"p\n", "p.yaml:"},
      {"a key that is a list", "? [a]\n: 1\n", "p.yaml:1:3: a key must be a plain text"},
  };
}

std::vector<Bad> Keys() {
  return {
      {"unknown top key", "name: p\nentrypoints: {}\n", "p.yaml:1:1: entry_points: is missing"},
      {"unknown step key", B("    comand: y\n"),
       "p.yaml:6:5: entry_points.b.comand: step has no attribute \"comand\" (did you mean"},
      {"unknown DAG key", B("  d: {command: x, entry_points: {s: {command: x}}}\n"),
       "p.yaml:6:7: entry_points.d.command: dag has no attribute \"command\""},
      {"unknown cache key", B("    cache: {on: true}\n"),
       "p.yaml:6:13: entry_points.b.cache.on: cache has no attribute \"on\""},
      {"unknown fs key", B("    extra_fs: [{name: d, path: /}]\n"),
       "p.yaml:6:26: entry_points.b.extra_fs[0].path: extra_fs has no attribute \"path\""},
      {"name a number", "name: 5\nentry_points: {a: {command: x}}\n",
       "p.yaml:1:7: name: must be a text, not the number 5"},
      {"name too long", "name: " + std::string(129, 'n') + "\nentry_points: {a: {command: x}}\n",
       "p.yaml:1:7: name: \"nnn"},
      {"no steps", "name: p\nentry_points: {}\n",
       "p.yaml:2:15: entry_points: must be a map of at least one step"},
      {"a DAG without steps", B("  d: {entry_points: ~}\n"),
       "p.yaml:6:6: entry_points.d.entry_points: is missing: a DAG needs at least one step"},
      {"an empty DAG", B("  d: {entry_points: {}}\n"),
       "p.yaml:6:21: entry_points.d.entry_points: must be a map of at least one step"},
      {"a step that is a text", B("  d: x\n"),
       "p.yaml:6:6: entry_points.d: a step is a map of keys to values, not the text \"x\""},
      {"a step without command", B("  d: {env: {A: b}}\n"),
       "p.yaml:6:6: entry_points.d.command: is missing: a step needs a command"},
      {"type of a step", B("    type: dag\n"),
       "p.yaml:6:11: entry_points.b.type: must be \"step\""},
      {"type of a DAG", B("  d: {type: step, entry_points: {s: {command: x}}}\n"),
       "p.yaml:6:13: entry_points.d.type: must be \"dag\""},
      {"step name too long", B("  " + std::string(31, 'd') + ": {command: x}\n"),
       "p.yaml:6:3: entry_points.ddd"},
      {"step name with underscore", B("  d_e: {command: x}\n"),
       "p.yaml:6:3: entry_points.d_e: \"d_e\" is no name for a step"},
      {"parameter name too long", B("    parameters: {" + std::string(51, 'd') + ": 1}\n"),
       "p.yaml:6:18: entry_points.b.parameters.ddd"},
      {"parameter name with hyphen", B("    parameters: {d-e: 1}\n"),
       "p.yaml:6:18: entry_points.b.parameters.d-e: \"d-e\" is no name for a parameter"},
      {"reserved name", B("    parameters: {PF_X: 1}\n"),
       "p.yaml:6:18: entry_points.b.parameters.PF_X: \"PF_X\" begins with PF_"},
      {"names that differ in case",
       B("    parameters: {Rate: 1}\n    artifacts: {output: [rate]}\n"),
       "p.yaml:7:26: entry_points.b.artifacts.output.rate: the name \"rate\" of this output is "
       "taken by a "
       "parameter"},
      {"parallelism below zero", B("parallelism: -1\n"),
       "p.yaml:6:14: parallelism: must not be negative"},
      {"huge parallelism", B("parallelism: 1000000\n"),
       "p.yaml:6:14: parallelism: must be at most 10000"},
      {"parallelism a text", B("parallelism: many\n"),
       "p.yaml:6:14: parallelism: must be a whole number, not the text \"many\""},
      {"strategy", B("failure_options: {strategy: ignore}\n"),
       "p.yaml:6:29: failure_options.strategy: must be fail_fast or continue, not \"ignore\""},
      {"image file", B("    docker_env: image.tar\n"),
       "p.yaml:6:17: entry_points.b.docker_env: must name an image, not a .tar file"},
      {"disabled a list", B("disabled: [a]\n"),
       "p.yaml:6:11: disabled: must be a text, not a list"},
      {"disabled unknown", B("disabled: a.b\n"), "p.yaml:6:11: disabled: there is no step \"a.b\""},
      {"disabled twice", B("disabled: \"a,a\"\n"),
       "p.yaml:6:11: disabled: \"a\" stands here a second time"},
      {"env truth", B("    env: {A: true}\n"),
       "p.yaml:6:14: entry_points.b.env.A: must be a text or a number, not the truth value true"},
      {"command a map", B("  d: {command: {a: b}}\n"),
       "p.yaml:6:16: entry_points.d.command: must be a text, not a map"},
      {"cache time", B("    cache: {max_expired_time: -2}\n"),
       "p.yaml:6:31: entry_points.b.cache.max_expired_time: must be a number of seconds"},
      {"cache enable", B("    cache: {enable: 1}\n"),
       "p.yaml:6:21: entry_points.b.cache.enable: must be true or false, not the number 1"},
      {"output with a value", B("    artifacts: {output: {o: [x]}}\n"),
       "p.yaml:6:29: entry_points.b.artifacts.output.o: a step's output has no value"},
      {"compat", B("compat: argo\n"), "p.yaml:6:9: compat: must be \"paddleflow\", or absent"},
      {"two post_process", B("post_process: {c: {command: x}, d: {command: x}}\n"),
       "p.yaml:6:15: post_process: must be a map of exactly one step"},
      {"post_process named as a step", B("post_process: {a: {command: x}}\n"),
       "p.yaml:6:16: post_process.a: the name \"a\" is taken by a step of entry_points"},
      {"post_process with deps", B("post_process: {c: {command: x, deps: a}}\n"),
       "p.yaml:6:38: post_process.c.deps: step \"c\" needs \"a\", which does not exist"},
      {"post_process with condition", B("post_process: {c: {command: x, condition: 1 > 0}}\n"),
       "p.yaml:6:43: post_process.c.condition: a post_process step has no condition"},
      {"post_process with cache", B("post_process: {c: {command: x, cache: {enable: true}}}\n"),
       "p.yaml:6:39: post_process.c.cache: a post_process step has no cache"},
      {"post_process that is a DAG", B("post_process: {c: {entry_points: {s: {command: x}}}}\n"),
       "p.yaml:6:19: post_process.c.command: is missing"},
  };
}

std::vector<Bad> References() {
  return {
      {"cycle of one", B("    deps: b\n"),
       "p.yaml:6:11: entry_points.b.deps: step \"b\" needs itself"},
      {"cycle of two", B("  d: {command: x, deps: e}\n  e: {command: x, deps: d}\n"),
       "p.yaml:6:3: entry_points.d: steps wait for each other in a circle: d -> e -> d"},
      {"cycle of a thousand", Chain(1000),
       "p.yaml:3:3: entry_points.s0: steps wait for each other in a circle: s0 -> s1"},
      {"unknown dep", B("    deps: c\n"),
       "p.yaml:6:11: entry_points.b.deps: step \"b\" needs \"c\", which does not exist"},
      {"dep on another DAG's child", B("    deps: s\n  d: {entry_points: {s: {command: x}}}\n"),
       "p.yaml:6:11: entry_points.b.deps: step \"b\" needs \"s\", which does not exist"},
      {"reference to nothing", B("  d: {reference: {component: e}}\n"),
       "p.yaml:6:30: entry_points.d.reference: there is no component \"e\""},
      {"reference to an inner node",
       "name: p\ncomponents:\n  c: {entry_points: {s: {command: x}}}\nentry_points:\n"
       "  a: {reference: {component: s}}\n",
       "p.yaml:5:30: entry_points.a.reference: there is no component \"s\""},
      {"references in a circle",
       "name: p\ncomponents:\n  c: {reference: {component: d}}\n  d: {reference: {component: c}}\n"
       "entry_points:\n  a: {reference: {component: c}}\n",
       "p.yaml:4:30: components.d.reference: components refer to each other in a circle: c -> d"},
      {"reference without component", B("  d: {reference: {}}\n"),
       "p.yaml:6:18: entry_points.d.reference.component: is missing"},
      {"reference with a condition",
       Component("    reference: {component: c}\n    deps: a\n    condition: 1 > 0\n"
                 "    artifacts: {input: {i: \"{{a.o}}\"}}\n"),
       "p.yaml:10:5: entry_points.b.condition: may not stand beside reference"},
      {"missing input", Component("    reference: {component: c}\n"),
       "p.yaml:7:3: entry_points.b.artifacts.input.i: has no source"},
      {"extra input",
       Component("    reference: {component: c}\n    deps: a\n"
                 "    artifacts: {input: {i: \"{{a.o}}\", j: \"{{a.o}}\"}}\n"),
       "p.yaml:10:39: entry_points.b.artifacts.input.j: the component has no input artifact \"j\""},
      {"type of a component's parameter",
       Component("    reference: {component: c}\n    deps: a\n    parameters: {n: one}\n"
                 "    artifacts: {input: {i: \"{{a.o}}\"}}\n"),
       "p.yaml:10:18: entry_points.b.parameters.n: must be a whole number, not \"one\""},
      {"deps of a component",
       "name: p\ncomponents: {c: {command: x, deps: d}, d: {command: x}}\n"
       "entry_points: {a: {reference: {component: c}}}\n",
       "p.yaml:2:36: components.c.deps: an outermost component has no deps"},
      {"a component that nobody uses",
       "name: p\ncomponents: {c: {command: \"x {{y}}\"}}\nentry_points: {a: {command: x}}\n",
       "p.yaml:2:27: components.c.command: {{y}} is neither a parameter nor an artifact"},
      {"input without template", B("    deps: a\n    artifacts: {input: {i: data}}\n"),
       "p.yaml:7:25: entry_points.b.artifacts.input.i: \"data\" must be one template"},
      {"input of no step", B("    artifacts: {input: {i: ~}}\n"),
       "p.yaml:6:25: entry_points.b.artifacts.input.i: has no source"},
      {"template to a step that is not waited for", B("    artifacts: {input: {i: \"{{a.o}}\"}}\n"),
       "p.yaml:6:25: entry_points.b.artifacts.input.i: step \"b\" uses \"a\" but does not wait"},
      {"template to a conditioned output",
       "name: p\nentry_points:\n  a: {command: x, condition: 1 > 0, artifacts: {output: [o]}}\n"
       "  b: {command: x, deps: a, artifacts: {input: {i: \"{{a.o}}\"}}}\n",
       "p.yaml:4:48: entry_points.b.artifacts.input.i: step \"a\" has a condition"},
      {"DAG output of a conditioned child",
       B("  d:\n    artifacts: {output: {o: \"{{s.o}}\"}}\n    entry_points:\n"
         "      s: {command: x, condition: 1 > 0, artifacts: {output: [o]}}\n"),
       "p.yaml:7:26: entry_points.d.artifacts.output.o: child \"s\" has a condition"},
      {"DAG output that a disabled child makes",
       B("  d:\n    artifacts: {output: {o: \"{{s.o}}\"}}\n    entry_points:\n"
         "      s: {command: x, artifacts: {output: [o]}}\ndisabled: d.s\n"),
       "p.yaml:7:26: entry_points.d.artifacts.output.o: child \"s\" is disabled"},
      {"DAG output of nobody",
       B("  d:\n    artifacts: {output: {o: \"{{t.o}}\"}}\n    entry_points: {s: {command: x}}\n"),
       "p.yaml:7:26: entry_points.d.artifacts.output.o: no child \"t\" with an output \"o\""},
      {"template to a disabled step",
       B("    deps: a\n    artifacts: {input: {i: \"{{a.o}}\"}}\ndisabled: a\n"),
       "p.yaml:7:25: entry_points.b.artifacts.input.i: step \"a\" is disabled"},
      {"PF_PARENT at the top", B("    parameters: {x: \"{{PF_PARENT.k}}\"}\n"),
       "p.yaml:6:18: entry_points.b.parameters.x: PF_PARENT has no meaning outside a DAG"},
      {"PF_PARENT's item without a loop",
       B("  d:\n    entry_points:\n      s: {command: x, parameters: {x: "
         "\"{{PF_PARENT.PF_LOOP_ARGUMENT}}\"}}\n"),
       "p.yaml:8:36: entry_points.d.entry_points.s.parameters.x: the DAG \"d\" has no "
       "loop_argument"},
      {"PF_PARENT without the parameter",
       B("  d:\n    entry_points:\n      s: {command: x, parameters: {x: \"{{PF_PARENT.k}}\"}}\n"),
       "p.yaml:8:36: entry_points.d.entry_points.s.parameters.x: the DAG \"d\" has no parameter"},
      {"upstream in a command", B("    deps: a\n    env: {X: \"{{a.k}}\"}\n"),
       "p.yaml:7:10: entry_points.b.env.X: {{a.k}} may not stand here"},
      {"artifact in env", B("    artifacts: {output: [q]}\n    env: {X: \"{{q}}\"}\n"),
       "p.yaml:7:10: entry_points.b.env.X: {{q}} is an artifact, which may not be used here"},
      {"output in a condition", B("    artifacts: {output: [q]}\n    condition: \"{{q}} > 1\"\n"),
       "p.yaml:7:16: entry_points.b.condition: {{q}} is an artifact, which may not be used here"},
      {"unclosed template", B("    env: {X: \"{{k\"}\n"), "p.yaml:6:10: entry_points.b.env.X: "},
      {"cache scope of a file system that is not mounted",
       "name: p\nfs_options: {main_fs: {name: m}}\nentry_points:\n"
       "  a: {command: x, cache: {fs_scope: [{name: n}]}}\n",
       "p.yaml:4:38: entry_points.a.cache.fs_scope: the file system \"n\" is not mounted"},
      {"global cache scope of a file system that is not mounted",
       B("fs_options: {main_fs: {name: m}}\ncache: {fs_scope: [{name: n}]}\n"),
       "p.yaml:7:20: cache.fs_scope: the file system \"n\" is not mounted"},
      {"cache scope outside", B("    cache: {fs_scope: [{name: n, path: a/../../b}]}\n"),
       "p.yaml:6:40: entry_points.b.cache.fs_scope[0].path: must stay inside"},
      {"main_fs read only", B("fs_options: {main_fs: {name: m, read_only: true}}\n"),
       "p.yaml:6:44: fs_options.main_fs.read_only: the main file system must be writable"},
      {"sub_path from the root", B("fs_options: {main_fs: {name: m, sub_path: /a}}\n"),
       "p.yaml:6:43: fs_options.main_fs.sub_path: must not start with /"},
      {"sub_path outside", B("    extra_fs: [{name: m, sub_path: a/../..}]\n"),
       "p.yaml:6:36: entry_points.b.extra_fs[0].sub_path: must stay inside"},
      {"extra_fs without name", B("    extra_fs: [{sub_path: a}]\n"),
       "p.yaml:6:16: entry_points.b.extra_fs[0].name: is missing"},
      {"extra_fs a map", B("    extra_fs: {name: m}\n"),
       "p.yaml:6:15: entry_points.b.extra_fs: must be a list of"},
  };
}

std::vector<Bad> Values() {
  return {
      {"typed int", B("    parameters: {x: {type: int, default: 1.5}}\n"),
       "p.yaml:6:42: entry_points.b.parameters.x.default: must be a whole number"},
      {"typed without type", B("    parameters: {x: {default: 1}}\n"),
       "p.yaml:6:21: entry_points.b.parameters.x.type: must be one of string, int"},
      {"unknown type", B("    parameters: {x: {type: bool, default: 1}}\n"),
       "p.yaml:6:21: entry_points.b.parameters.x.type: must be one of string, int"},
      {"truth value", B("    parameters: {x: true}\n"),
       "p.yaml:6:21: entry_points.b.parameters.x: must be a text, a number or a list"},
      {"truth value in a list", B("    parameters: {x: [1, [true]]}\n"),
       "p.yaml:6:26: entry_points.b.parameters.x[1][0]: must be a text, a number or a list"},
      {"template in a list", B("    parameters: {x: [\"{{PF_RUN_ID}}\"]}\n"),
       "p.yaml:6:22: entry_points.b.parameters.x[0]: a list item may hold no template"},
      {"path with ..", B("    parameters: {x: {type: path, default: a/../b}}\n"),
       "p.yaml:6:43: entry_points.b.parameters.x.default: must be a path"},
      {"path with a blank", B("    parameters: {x: {type: path, default: a b}}\n"),
       "p.yaml:6:43: entry_points.b.parameters.x.default: must be a path"},
      {"parameter without value", B("    parameters: {x: {type: int}}\n"),
       "p.yaml:6:18: b.parameters.x: has no default; give it with -p b.x="},
      {"loop over a number", B("    parameters: {n: 1}\n    loop_argument: \"{{n}}\"\n"),
       "p.yaml:7:20: entry_points.b.loop_argument: parameter \"n\" is no list"},
      {"loop over a text", B("    parameters: {n: one}\n    loop_argument: \"{{n}}\"\n"),
       "p.yaml:7:20: entry_points.b.loop_argument: parameter \"n\" is no list"},
      {"loop over nothing", B("    loop_argument: []\n"),
       "p.yaml:6:20: entry_points.b.loop_argument: is an empty list"},
      {"loop over a map", B("    loop_argument: {a: b}\n"),
       "p.yaml:6:20: entry_points.b.loop_argument: must be a list or one template"},
      {"loop with text around", B("    parameters: {n: [1]}\n    loop_argument: \"x{{n}}\"\n"),
       "p.yaml:7:20: entry_points.b.loop_argument: \"x{{n}}\" must be a list, or exactly one"},
      {"loop over a nested template", B("    loop_argument: \"{{ {{n}} }}\"\n"),
       "p.yaml:6:20: entry_points.b.loop_argument: "},
      {"loop over another step's parameter", B("    deps: a\n    loop_argument: \"{{a.k}}\"\n"),
       "p.yaml:7:20: entry_points.b.loop_argument: "},
      {"truth value in a loop's JSON", B("    loop_argument: '[1, [true]]'\n"),
       "p.yaml:6:20: entry_points.b.loop_argument: its items must be texts, numbers or lists"},
      {"number out of range in a loop's JSON", B("    loop_argument: '[1e400]'\n"),
       "p.yaml:6:20: entry_points.b.loop_argument: a number in this JSON is out of range"},
      {"template in a loop's JSON", B("    loop_argument: '[\"{{PF_RUN_ID}}\"]'\n"),
       "p.yaml:6:20: entry_points.b.loop_argument: a list item may hold no template"},
      {"condition syntax", B("    condition: \"1 >\"\n"),
       "p.yaml:6:16: entry_points.b.condition: condition, character"},
      {"condition that is no truth value", B("    condition: \"1 + 1\"\n"),
       "p.yaml:6:16: entry_points.b.condition: the condition \"1 + 1\" is neither true nor false"},
      {"division by zero", B("    condition: \"1 / 0 > 1\"\n"),
       "p.yaml:6:16: entry_points.b.condition: condition, character 3: division by zero"},
      {"deep condition", B("    condition: \"" + std::string(100, '(') + "\"\n"),
       "p.yaml:6:16: entry_points.b.condition: "},
  };
}

class BadInput : public EngineTest {
 protected:
  // Nothing of what was refused may remain: no row, no folder.
  void ExpectNothingLeft() {
    const auto page = engine_->ListRuns({});
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_EQ(page->total, 0);
    EXPECT_EQ(engine_->LastEventId(), 0);
    EXPECT_TRUE(std::filesystem::is_empty(folder_ + "/state/runs"));
    EXPECT_TRUE(machine_.Launched().empty());
  }

  void ExpectRefused(const std::vector<Bad>& table) {
    Open();
    for (const Bad& bad : table) {
      SCOPED_TRACE(bad.what);
      RunRequest request = Request(bad.yaml);
      request.source = "p.yaml";
      std::vector<Problem> problems;
      const std::clock_t before = std::clock();
      const auto created = engine_->CreateRun(request, &problems);
      EXPECT_LT(std::clock() - before, CLOCKS_PER_SEC);  // of work, not of waiting
      EXPECT_EQ(created.status().code(), absl::StatusCode::kInvalidArgument);
      ASSERT_FALSE(problems.empty());
      EXPECT_THAT(problems.front().ToString(), StartsWith(bad.first));
      EXPECT_EQ(created.status().message(), problems.front().ToString());
    }
    ExpectNothingLeft();
  }
};

TEST_F(BadInput, TextsAreRefusedBeforeAnythingIsBuilt) { ExpectRefused(Texts()); }
TEST_F(BadInput, KeysAreRefusedWithTheirPlace) { ExpectRefused(Keys()); }
TEST_F(BadInput, ReferencesAreRefusedWithTheirPlace) { ExpectRefused(References()); }
TEST_F(BadInput, ValuesAreRefusedWithTheirPlace) { ExpectRefused(Values()); }

TEST_F(BadInput, RequestsAreRefusedAndNameTheParameter) {
  Open();
  const auto refused = [&](const base::Json& parameters, const std::vector<std::string>& disabled) {
    RunRequest request = Request(
        "name: p\nentry_points:\n"
        "  d: {entry_points: {s: {command: x, parameters: {n: {type: int, default: 1}}}}}\n"
        "  t: {command: x, parameters: {where: {type: path, default: a}}}\n");
    request.parameters = parameters;
    request.disabled = disabled;
    return std::string(engine_->CreateRun(request, nullptr).status().message());
  };
  EXPECT_EQ(refused({{"d.s.n", "one"}}, {}),
            "the request:1:1: d.s.parameters.n: must be a whole number, not \"one\"");
  EXPECT_THAT(refused({{"s.n", 1}}, {}), HasSubstr("no step has a parameter \"s.n\""));
  EXPECT_THAT(refused({{"t.where", "../../etc"}}, {}), HasSubstr("must be a path"));
  EXPECT_THAT(refused({{"n", true}}, {}), HasSubstr("must be a text, a number or a list"));
  EXPECT_THAT(refused(base::Json::object(), {"s"}), HasSubstr("there is no step \"s\" to disable"));
  ExpectNothingLeft();
}

// What only the content of files shows: the step fails, and says where the pipeline asked for it.
class BadContent : public EngineTest {
 protected:
  // Step `list` writes `content`; step `use` has `field` over it.
  std::string Reason(const std::string& field, const std::string& content, bool folder = false) {
    machine_.on_submit = [content, folder](const job::JobSpec& spec) {
      const auto output = spec.env.find("PF_OUTPUT_ARTIFACT_O");
      if (output != spec.env.end() && folder) {
        std::filesystem::create_directory(output->second);
      } else {
        Machine::WriteOutputs(spec, content);
      }
      return job::JobState::kSucceeded;
    };
    if (engine_ == nullptr) Open();
    RunRequest request = Request(
        "name: p\nentry_points:\n  list: {command: x, artifacts: {output: [o]}}\n"
        "  use:\n    deps: list\n    command: x\n"
        "    artifacts: {input: {i: \"{{list.o}}\"}}\n" +
        ("    " + field + "\n"));
    request.source = "p.yaml";
    const RunDetail run = Run(request);
    EXPECT_EQ(run.state, RunState::kFailed);
    EXPECT_EQ(machine_.LaunchesOf("use"), 0);
    return Step(run.id, "use").reason;
  }
};

TEST_F(BadContent, OfALoopFailsItsStepWithThePlace) {
  const std::string loop = "loop_argument: \"{{i}}\"";
  const std::string place = "p.yaml:8:20: use.loop_argument: ";
  EXPECT_THAT(Reason(loop, "{\"a\": 1}"), StartsWith(place + "must be a list like [1, 2]"));
  EXPECT_THAT(Reason(loop, "12"), StartsWith(place + "must be a list like [1, 2]"));
  EXPECT_THAT(Reason(loop, "[1,"), StartsWith(place + "must be a JSON list: "));
  EXPECT_THAT(Reason(loop, ""), StartsWith(place + "must be a list like [1, 2], but there is not"));
  EXPECT_THAT(Reason(loop, "[1e400]"),
              StartsWith(place + "must be a JSON list: a number in this JSON is out of range"));
  EXPECT_THAT(Reason(loop, std::string(1000, '[') + std::string(1000, ']')),
              StartsWith(place + "must be a JSON list: JSON is nested deeper than the limit"));
  EXPECT_THAT(Reason(loop, std::string("\x7f"
                                       "ELF\0\0\x01",
                                       7)),
              StartsWith(place + "input artifact \"i\" is a binary file"));
  EXPECT_THAT(Reason(loop, "[\"\xff\"]"), StartsWith(place + "must be a JSON list: "));
  EXPECT_THAT(Reason(loop, std::string((1u << 20) + 1, ' ')),
              StartsWith(place + "input artifact \"i\": its content must be at most 1048576"));
  EXPECT_THAT(Reason(loop, "", true), StartsWith(place + "input artifact \"i\" is not a file"));
}

TEST_F(BadContent, OfAConditionFailsItsStepWithThePlace) {
  const std::string place = "p.yaml:8:16: use.condition: ";
  EXPECT_THAT(Reason("condition: \"{{i}} > 1\"", ""), StartsWith(place + "condition, character"));
  EXPECT_THAT(Reason("condition: \"{{i}}\"", "5"),
              StartsWith(place + "the condition \"5\" is neither true nor false"));
  EXPECT_THAT(Reason("condition: \"1 / {{i}} > 1\"", "0"),
              StartsWith(place + "condition, character 3: division by zero"));
  EXPECT_THAT(Reason("condition: \"{{i}} == 1\"", std::string(1025, '1')),
              StartsWith(place + "input artifact \"i\": its content must be at most 1024"));
  EXPECT_THAT(Reason("condition: \"{{i}} == 1\"", std::string("a\0b", 3)),
              StartsWith(place + "input artifact \"i\" is a binary file"));
  EXPECT_THAT(Reason("condition: \"{{i}} == 1\"", "", true),
              StartsWith(place + "input artifact \"i\" is not a file"));
}

TEST_F(BadContent, OfALoopThatClashesFailsItsStepWithThePlace) {
  Open();
  RunRequest request = Request(
      "name: p\nentry_points:\n  a: {command: x, loop_argument: [1, 2]}\n  a-1: {command: x}\n");
  request.source = "p.yaml";
  EXPECT_THAT(Step(Run(request).id, "a").reason,
              StartsWith("p.yaml:3:34: a.loop_argument: iteration 1 would be called \"a-1\""));
}

// A list is run as it is, so whatever a parameter holds is one argument and no shell's business.
TEST_F(BadContent, OfAParameterIsOneArgumentOfACommandThatIsAList) {
  local_ = true;
  Open();
  for (const std::string value :
       {"$(touch pwned)", "`touch pwned`", "; touch pwned", "&& touch pwned", "| touch pwned",
        "> pwned", "a\nb\ttouch pwned", "'\"\\ *", "", "-n", "$HOME"}) {
    SCOPED_TRACE(value);
    RunRequest request = Request(
        "name: p\nentry_points:\n  a: {command: [printf, \"<%s>\", \"{{p}}\"], "
        "parameters: {p: x}}\n");
    request.parameters = {{"p", value}};
    const RunDetail run = Run(request);
    ASSERT_EQ(run.state, RunState::kSucceeded) << run.message;
    const auto log = engine_->GetLog(run.id, Step(run.id, "a").id, 0, 0, 1000);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_EQ(log->bytes, "<" + value + ">");
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/pipeline/pwned"));
  }
}

// An output that is not what a command may leave there: each with how it is made.
TEST_F(BadContent, OfAnOutputFailsItsStepWithThePlace) {
  const std::vector<std::tuple<const char*, std::function<void(const std::string&)>, std::string>>
      table = {
          {"never written", [](const std::string&) {}, "its command succeeded but did not write"},
          {"a link out of the run",
           [](const std::string& path) { std::filesystem::create_symlink("/etc", path); },
           " (to /etc); write or copy the file there instead"},
          {"a link to nothing",
           [](const std::string& path) { std::filesystem::create_symlink("nowhere", path); },
           " is a link to nowhere, which is not there"},
          {"a link to itself",
           [](const std::string& path) { std::filesystem::create_symlink("o", path); },
           " is a link to o, which is not there"},
          {"a folder with a link out of it",
           [](const std::string& path) {
             std::filesystem::create_directory(path);
             std::filesystem::create_symlink("/etc/hostname", path + "/l");
           },
           "/l is a link that leaves the artifact (to /etc/hostname)"},
          {"a pipe", [](const std::string& path) { mkfifo(path.c_str(), 0600); },
           " is neither a file nor a folder"},
      };
  Open();
  for (const auto& [what, make, message] : table) {
    SCOPED_TRACE(what);
    machine_.on_submit = [make = make](const job::JobSpec& spec) {
      make(spec.env.at("PF_OUTPUT_ARTIFACT_O"));
      return job::JobState::kSucceeded;
    };
    RunRequest request = Request(
        "name: p\nentry_points:\n  d:\n    entry_points:\n"
        "      s: {command: x, artifacts: {output: [o]}}\n");
    request.source = "p.yaml";
    const RunDetail run = Run(request);
    EXPECT_EQ(run.state, RunState::kFailed);
    const std::string reason = Step(run.id, "d.s").reason;
    EXPECT_THAT(reason, StartsWith("p.yaml:5:44: d.s.artifacts.output.o: "));
    EXPECT_THAT(reason, HasSubstr(message));
    EXPECT_EQ(run.message, "step \"d.s\" failed: " + reason);
  }
}

}  // namespace
}  // namespace regatta::flow

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flow/parse.h"

namespace regatta::flow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A pipeline with the component `c` and a step `a` that refers to it; the fields of `a` begin in
// line 10.
std::string WithComponent(const std::string& step) {
  return "name: p\ncomponents:\n  c:\n    parameters: {q: {type: int, default: 1}, r: x}\n"
         "    artifacts: {input: {i: \"\"}, output: [o]}\n    command: x {{q}} {{i}} {{o}}\n"
         "entry_points:\n  s: {command: x, artifacts: {output: [o]}}\n  a:\n" +
         step;
}

std::string FirstProblem(const std::string& yaml) {
  return std::string(ParsePipeline(yaml, {}, nullptr).status().message());
}

TEST(Components, AreCopiedWithTheStepsOwnValues) {
  const auto pipeline = ParsePipeline(
      WithComponent("    reference: {component: c}\n    deps: s\n    parameters: {q: 5}\n"
                    "    artifacts: {input: {i: \"{{s.o}}\"}}\n"
                    "  b: {deps: a, command: \"x {{i}}\", artifacts: {input: {i: \"{{a.o}}\"}}}\n"),
      {}, nullptr);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  const Node& node = *pipeline->entry_points[1];
  EXPECT_EQ(node.name, "a");
  EXPECT_THAT(node.deps, ElementsAre("s"));
  EXPECT_EQ(node.command.shell, "x {{q}} {{i}} {{o}}");
  EXPECT_EQ(node.parameters.at("q").value, base::Json(5));
  EXPECT_EQ(node.parameters.at("q").type, ParameterType::kInt);
  EXPECT_EQ(node.parameters.at("r").value, base::Json("x"));
  EXPECT_EQ(node.inputs[0].from, "{{s.o}}");
  EXPECT_EQ(node.outputs[0].name, "o");
  EXPECT_EQ(node.place.line, 9);
}

TEST(Components, MayBeGivenATypeByWhoRefersToThem) {
  const auto pipeline = ParsePipeline(
      "name: p\ncomponents: {c: {command: x, parameters: {n: 1}}}\n"
      "entry_points:\n  a: {reference: {component: c}, parameters: {n: {type: int, default: 4}}}\n",
      {}, nullptr);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_EQ(pipeline->entry_points[0]->parameters.at("n").value, base::Json(4));
  EXPECT_EQ(pipeline->entry_points[0]->parameters.at("n").type, ParameterType::kInt);
}

TEST(Components, MayBeDagsAndReferToComponents) {
  const auto pipeline = ParsePipeline(
      "name: p\ncomponents:\n  one: {command: x, parameters: {n: 1}}\n"
      "  two:\n    parameters: {n: 2}\n    entry_points:\n"
      "      l: {reference: {component: one}, parameters: {n: \"{{PF_PARENT.n}}\"}}\n"
      "      r: {deps: l, reference: {component: one}}\n"
      "  alias: {reference: {component: two}, parameters: {n: 3}}\n"
      "entry_points:\n  a: {reference: {component: alias}}\n  b: {reference: {component: two}}\n"
      "post_process:\n  done: {reference: {component: one}}\n",
      {}, nullptr);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  const Node& a = *pipeline->entry_points[0];
  EXPECT_EQ(a.kind, NodeKind::kDag);
  EXPECT_EQ(a.parameters.at("n").value, base::Json(3));
  ASSERT_EQ(a.children.size(), 2u);
  EXPECT_EQ(a.children[0]->parameters.at("n").value, base::Json("{{PF_PARENT.n}}"));
  EXPECT_EQ(a.children[1]->command.shell, "x");
  EXPECT_EQ(pipeline->entry_points[1]->parameters.at("n").value, base::Json(2));
  EXPECT_EQ(pipeline->post_process->kind, NodeKind::kPostProcess);
  EXPECT_EQ(pipeline->post_process->command.shell, "x");
}

TEST(Components, HandInputsDownAChain) {
  const auto read = [](const std::string& inputs) {
    return ParsePipeline(
        "name: p\ncomponents:\n  c: {command: \"x {{i}}\", artifacts: {input: {i: ~}}}\n"
        "  again: {reference: {component: c}, artifacts: {input: {i: \"\"}}}\n"
        "entry_points:\n  s: {command: x, artifacts: {output: [o]}}\n"
        "  a: {deps: s, reference: {component: again}" +
            inputs + "}\n",
        {}, nullptr);
  };
  const auto pipeline = read(", artifacts: {input: {i: \"{{s.o}}\"}}");
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_EQ(pipeline->entry_points[1]->inputs.at(0).from, "{{s.o}}");
  EXPECT_THAT(std::string(read("").status().message()),
              HasSubstr("7:3: entry_points.a.artifacts.input.i: has no source"));
}

TEST(Components, ThatNobodyUsesMayBeMeantForADag) {
  EXPECT_EQ(FirstProblem("name: p\ncomponents:\n"
                         "  c: {command: \"x {{q}}\", parameters: {q: \"{{PF_PARENT.q}}\"}}\n"
                         "entry_points: {a: {command: x}}\n"),
            "");
  EXPECT_THAT(FirstProblem("name: p\ncomponents:\n  c: {command: \"x {{q}}\"}\n"
                           "entry_points: {a: {command: x}}\n"),
              HasSubstr("3:16: components.c.command: {{q}} is neither"));
}

TEST(Components, MistakesHaveTheirPlace) {
  EXPECT_EQ(FirstProblem(WithComponent("    reference: {component: cc}\n")),
            "pipeline.yaml:10:28: entry_points.a.reference: there is no component \"cc\" (did you "
            "mean \"c\"?)");
  EXPECT_EQ(
      FirstProblem(WithComponent("    reference: {component: c}\n")),
      "pipeline.yaml:9:3: entry_points.a.artifacts.input.i: has no source; give one template, as "
      "\"{{prepare.data}}\"");
  EXPECT_THAT(
      FirstProblem(WithComponent("    reference: {component: c}\n    deps: s\n"
                                 "    artifacts: {input: {i: \"{{s.o}}\", j: \"{{s.o}}\"}}\n")),
      HasSubstr("12:39: entry_points.a.artifacts.input.j: the component has no input artifact "
                "\"j\""));
  const std::string good =
      "    reference: {component: c}\n    deps: s\n"
      "    artifacts: {input: {i: \"{{s.o}}\"}}\n";
  EXPECT_EQ(FirstProblem(WithComponent(good)), "");
  EXPECT_THAT(FirstProblem(WithComponent(good + "    parameters: {q: x}\n")),
              HasSubstr("13:18: entry_points.a.parameters.q: must be a whole number, not \"x\""));
  EXPECT_THAT(FirstProblem(WithComponent(good + "    parameters: {q: {type: path, default: a}}\n")),
              HasSubstr("parameters.q: the component gives this parameter another type"));
  EXPECT_THAT(
      FirstProblem(WithComponent(good + "    parameters: {z: x}\n")),
      HasSubstr("13:18: entry_points.a.parameters.z: the component has no parameter \"z\""));
  EXPECT_THAT(FirstProblem(WithComponent(good + "    command: x\n")),
              HasSubstr("13:5: entry_points.a.command: may not stand beside reference"));
  EXPECT_THAT(FirstProblem("name: p\ncomponents:\n  c: {command: x, deps: d}\n  d: {command: x}\n"
                           "entry_points: {a: {reference: {component: c}}}\n"),
              HasSubstr("3:25: components.c.deps: an outermost component has no deps"));
  EXPECT_THAT(FirstProblem("name: p\ncomponents:\n  c: {entry_points: {in: {command: x}}}\n"
                           "entry_points: {a: {reference: {component: in}}}\n"),
              HasSubstr("there is no component \"in\""));
}

TEST(Components, CirclesAreFound) {
  EXPECT_EQ(FirstProblem("name: p\ncomponents:\n  c: {reference: {component: d}}\n"
                         "  d: {reference: {component: c}}\n"
                         "entry_points:\n  a: {reference: {component: c}}\n"),
            "pipeline.yaml:4:30: components.d.reference: components refer to each other in a "
            "circle: c -> d -> c");
  EXPECT_THAT(FirstProblem("name: p\ncomponents:\n  c: {entry_points: {x: {reference: {component: "
                           "c}}}}\nentry_points: {a: {command: x}}\n"),
              HasSubstr("circle: c -> c"));
}

TEST(Components, ThatMultiplyAreStopped) {
  std::string yaml = "name: p\ncomponents:\n  c0: {command: x}\n";
  for (int i = 1; i < 12; ++i) {
    yaml += "  c" + std::to_string(i) + ":\n    entry_points:\n";
    for (int j = 0; j < 10; ++j) {
      yaml += "      s" + std::to_string(j) + ": {reference: {component: c" +
              std::to_string(i - 1) + "}}\n";
    }
  }
  yaml += "entry_points:\n  a: {reference: {component: c11}}\n";
  EXPECT_THAT(FirstProblem(yaml), HasSubstr("more than 100000 steps out of components"));
}

}  // namespace
}  // namespace regatta::flow

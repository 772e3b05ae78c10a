#include <gmock/gmock.h>

#include "flow/testing/engine_bench.h"

namespace regatta::flow {
namespace {

using ::testing::EndsWith;
using testing::EngineTest;
using ::testing::HasSubstr;
using testing::Machine;

class Loops : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    Open();
  }
};

// Else ten thousand iterations would hold ten thousand lists of ten thousand items.
TEST_F(Loops, OnlyTheFirstIterationKeepsTheListThatNobodyElseUses) {
  const RunDetail run = Run(R"(
name: lists
entry_points:
  a: {parameters: {xs: [1, 2], n: 5}, loop_argument: "{{xs}}", command: "{{n}}"}
  b: {deps: a, parameters: {all: "{{a.xs}}"}, command: "{{all}}"}
  c: {parameters: {xs: [1, 2]}, loop_argument: "{{xs}}", command: "{{xs}}"}
  d: {parameters: {xs: [1, 2]}, loop_argument: "{{xs}}", condition: "'{{xs}}' != x", command: x}
  e:
    parameters: {xs: [1, 2], ys: [3]}
    loop_argument: "{{xs}}"
    entry_points: {s: {parameters: {all: "{{PF_PARENT.xs}}"}, command: "{{all}}"}}
  f:
    parameters: {xs: [1, 2], ys: [3]}
    loop_argument: "{{xs}}"
    entry_points: {s: {parameters: {all: "{{PF_PARENT.ys}}"}, command: "{{all}}"}}
)");
  ASSERT_EQ(run.state, RunState::kSucceeded) << run.message;
  const auto parameters = [&](const std::string& step) {
    return base::DumpJson(Step(run.id, step).parameters);
  };
  EXPECT_EQ(parameters("a"), R"({"n":5,"xs":[1,2]})");
  EXPECT_EQ(parameters("a-1"), R"({"n":5})");
  EXPECT_EQ(Step(run.id, "b").command, "[1,2]");
  EXPECT_EQ(Step(run.id, "c-1").command, "[1,2]");
  EXPECT_EQ(parameters("d-1"), R"({"xs":[1,2]})");
  EXPECT_EQ(Step(run.id, "e-1.s").command, "[1,2]");
  EXPECT_EQ(parameters("f-1"), R"({"ys":[3]})");
  EXPECT_EQ(Step(run.id, "f-1.s").command, "[3]");
}

// Loops of 100,000 within loops of 100,000 would take all memory.
TEST_F(Loops, StopWhereTheRunWouldHaveTooManySteps) {
  Close();
  most_steps_ = 20;
  Open();
  RunRequest request = Request(R"(name: many
entry_points:
  d:
    loop_argument: [1, 2, 3, 4]
    entry_points: {s: {command: x, loop_argument: [1, 2, 3, 4, 5, 6]}}
)");
  request.source = "p.yaml";
  const RunDetail run = Run(request);
  EXPECT_EQ(run.state, RunState::kFailed);
  EXPECT_THAT(run.message, HasSubstr("p.yaml:5:51: d.s.loop_argument: the run would have 23 steps; "
                                     "at most 20 are taken"));
  EXPECT_LE(Steps(run.id).size(), 20u);

  RunRequest dag = Request(
      "name: many\nentry_points:\n  d:\n    loop_argument: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]\n"
      "    entry_points: {s: {command: x}}\n");
  dag.source = "p.yaml";
  EXPECT_THAT(Run(dag).message, HasSubstr("d.loop_argument: the run would have 21 steps"));
}

TEST_F(Loops, CarryArtifactsThroughThreeLevels) {
  machine_.on_submit = [](const job::JobSpec& spec) {
    Machine::WriteOutputs(spec, "[\"x\", \"y\"]");
    return job::JobState::kSucceeded;
  };
  const RunDetail run = Run(R"(
name: levels
parallelism: 1
entry_points:
  source: {command: x, artifacts: {output: [items]}}
  outer:
    deps: source
    loop_argument: "{{items}}"
    artifacts: {input: {items: "{{source.items}}"}, output: {all: "{{middle.all}}"}}
    entry_points:
      middle:
        loop_argument: [1, 2]
        parameters: {o: "{{PF_PARENT.PF_LOOP_ARGUMENT}}"}
        artifacts: {input: {items: "{{PF_PARENT.items}}"}, output: {all: "{{inner.out}}"}}
        entry_points:
          inner:
            loop_argument: "{{items}}"
            parameters: {o: "{{PF_PARENT.o}}", m: "{{PF_PARENT.PF_LOOP_ARGUMENT}}"}
            artifacts: {input: {items: "{{PF_PARENT.items}}"}, output: [out]}
            command: "{{o}}{{m}}{{PF_LOOP_ARGUMENT}}"
  collect: {deps: outer, artifacts: {input: {all: "{{outer.all}}"}}, command: "{{all}}"}
)");
  ASSERT_EQ(run.state, RunState::kSucceeded) << run.message;
  EXPECT_EQ(Step(run.id, "outer-1.middle.inner-1").command, "y1y");
  std::string all = Step(run.id, "collect").command;
  for (const char* outer : {"outer", "outer-1"}) {
    for (const char* middle : {"middle", "middle-1"}) {
      for (const char* inner : {"inner", "inner-1"}) {
        const std::string path = all.substr(0, all.find(','));
        EXPECT_THAT(path, EndsWith(std::string("/") + outer + "." + middle + "." + inner +
                                   "/artifacts/out"));
        all.erase(0, path.size() + 1);
      }
    }
  }
  EXPECT_EQ(all, "");
}

}  // namespace
}  // namespace regatta::flow

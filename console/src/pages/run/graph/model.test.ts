import { describe, expect, it } from "vitest";
import type { Step } from "../../../api/types";
import { buildGraph, kMostIterations } from "./model";

const none = new Set<string>();
const step = (name: string, change: Partial<Step> = {}): Step => ({
  id: `id-${name}`,
  run_id: "r",
  name,
  node: name,
  kind: "step",
  state: "succeeded",
  cached: false,
  reason: "",
  deps: [],
  created_at: 0,
  ...change,
});
const loop = (node: string, count: number, deps: string[] = []) =>
  Array.from({ length: count }, (_, i) =>
    step(i === 0 ? node : `${node}-${i}`, { node, deps, loop_index: i, loop_argument: i }),
  );

describe("buildGraph", () => {
  it("draws a line for each dependency", () => {
    const { nodes, edges } = buildGraph([step("a"), step("b", { deps: ["a"] })], none);
    expect(nodes.map((node) => node.id)).toEqual(["id-a", "id-b"]);
    expect(edges).toEqual([{ id: "id-a>id-b", from: "id-a", to: "id-b", loose: false }]);
  });

  it("holds a small loop's iterations in an open group with one line in and out", () => {
    const { nodes, edges, drawn } = buildGraph(
      [step("a"), ...loop("train", 2, ["a"]), step("z", { deps: ["train"] })],
      none,
    );
    expect(nodes[1]).toMatchObject({ kind: "group", what: "loop", open: true, members: 2 });
    expect(nodes.filter((node) => node.parent === "loop::train")).toHaveLength(2);
    expect(edges.map((edge) => edge.id)).toEqual(["id-a>loop::train", "loop::train>id-z"]);
    expect(drawn).toBe(4);
  });

  it("closes groups when a run has more than 500 steps, and counts what they hold", () => {
    const iterations = loop("work", 600);
    iterations[0] = { ...iterations[0], state: "failed" } as Step;
    const { nodes, drawn } = buildGraph(iterations, none);
    expect(nodes).toHaveLength(1);
    expect(nodes[0]).toMatchObject({ open: false, counts: { failed: 1, succeeded: 599 } });
    expect(drawn).toBe(0);
  });

  it("opens a closed loop up to a limit and says how many are left out", () => {
    const { nodes } = buildGraph(loop("work", 600), new Set(["loop::work"]));
    expect(nodes[0]).toMatchObject({ open: true, hidden: 600 - kMostIterations });
    expect(nodes).toHaveLength(1 + kMostIterations);
  });

  it("nests what a DAG holds, and closes it on demand", () => {
    const steps = [
      step("sub", { kind: "dag" }),
      step("sub.a", { parent_id: "id-sub" }),
      step("sub.b", { parent_id: "id-sub", deps: ["a"] }),
      step("z", { deps: ["sub"] }),
    ];
    const open = buildGraph(steps, none);
    expect(open.nodes.map((node) => [node.id, node.parent])).toEqual([
      ["id-sub", undefined],
      ["id-sub.a", "id-sub"],
      ["id-sub.b", "id-sub"],
      ["id-z", undefined],
    ]);
    expect(open.edges.map((edge) => edge.id)).toEqual(["id-sub.a>id-sub.b", "id-sub>id-z"]);
    const closed = buildGraph(steps, new Set(["id-sub"]));
    expect(closed.nodes.map((node) => node.id)).toEqual(["id-sub", "id-z"]);
    expect(closed.nodes[0]).toMatchObject({ members: 2 });
  });

  it("puts the post-process step behind everything that nothing follows", () => {
    const { edges } = buildGraph(
      [step("a"), step("b", { deps: ["a"] }), step("c"), step("report", { kind: "post_process" })],
      none,
    );
    expect(edges.filter((edge) => edge.loose).map((edge) => edge.from)).toEqual(["id-b", "id-c"]);
  });

  it("keeps its shape when only states change", () => {
    const before = buildGraph([step("a", { state: "running" })], none).shape;
    expect(buildGraph([step("a")], none).shape).toBe(before);
    expect(buildGraph([step("a"), step("b")], none).shape).not.toBe(before);
  });

  it("shows a step whose parent is not known yet", () =>
    expect(buildGraph([step("x", { parent_id: "later" })], none).nodes).toHaveLength(1));
});

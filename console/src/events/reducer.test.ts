import { describe, expect, it } from "vitest";
import type { MetricEvent, Run, RunDetail, Step, StepDetail } from "../api/types";
import {
  applyToMetrics,
  applyToRun,
  applyToRunPage,
  applyToStep,
  applyToSteps,
  collapse,
} from "./reducer";

const run = (id: string, change: Partial<Run> = {}): Run => ({
  id,
  project: "default",
  created_by: "ada",
  name: id,
  pipeline: "p",
  source: "",
  state: "running",
  message: "",
  created_at: 1,
  step_counts: {},
  cached_steps: 0,
  ...change,
});
const step = (id: string, change: Partial<Step> = {}): Step => ({
  id,
  run_id: "r1",
  name: id,
  node: id,
  kind: "step",
  state: "pending",
  cached: false,
  reason: "",
  deps: [],
  created_at: 1,
  ...change,
});
const metric = (stepId: string, time: number, value: number): MetricEvent => ({
  run_id: "r1",
  step_id: stepId,
  name: "loss",
  point: { value, time, step: time },
});

describe("collapse", () => {
  it("keeps the latest of each run and step, and every metric", () => {
    const batch = collapse([
      { type: "step", data: step("a", { state: "running" }) },
      { type: "metric", data: metric("a", 1, 0.5) },
      { type: "step", data: step("a", { state: "succeeded" }) },
      { type: "metric", data: metric("a", 2, 0.4) },
    ]);
    expect([...batch.steps.values()].map((one) => one.state)).toEqual(["succeeded"]);
    expect(batch.metrics).toHaveLength(2);
  });
});

describe("a page of runs", () => {
  const page = { items: [run("r1"), run("r2")], total: 2 };
  it("stays the same object when nothing in it changed", () => {
    const batch = collapse([{ type: "step", data: step("a") }]);
    expect(applyToRunPage(page, batch)).toEqual({ page, stale: false });
    expect(applyToRunPage(page, batch).page).toBe(page);
  });
  it("changes a row in place and leaves the others as they are", () => {
    const next = applyToRunPage(
      page,
      collapse([{ type: "run", data: run("r2", { cached_steps: 3 }) }]),
    );
    expect(next.page.items[1]?.cached_steps).toBe(3);
    expect(next.page.items[0]).toBe(page.items[0]);
    expect(next.stale).toBe(false);
  });
  it("must be read again when a run appears or changes its state", () => {
    expect(applyToRunPage(page, collapse([{ type: "run", data: run("r3") }])).stale).toBe(true);
    expect(
      applyToRunPage(page, collapse([{ type: "run", data: run("r1", { state: "failed" }) }])).stale,
    ).toBe(true);
  });
});

describe("one run", () => {
  it("keeps what only its own answer holds", () => {
    const detail: RunDetail = { ...run("r1"), yaml: "name: p", parameters: {}, last_event_id: 4 };
    const next = applyToRun(
      detail,
      collapse([{ type: "run", data: run("r1", { state: "failed" }) }]),
    );
    expect(next).toMatchObject({ state: "failed", yaml: "name: p" });
  });
});

describe("the steps of a run", () => {
  const steps = [step("a"), step("b")];
  it("ignores other runs", () => {
    const batch = collapse([{ type: "step", data: step("x", { run_id: "r2" }) }]);
    expect(applyToSteps(steps, batch, "r1")).toBe(steps);
  });
  it("updates known steps in place and adds new ones at the end", () => {
    const batch = collapse([
      { type: "step", data: step("c") },
      { type: "step", data: step("a", { state: "failed" }) },
    ]);
    const next = applyToSteps(steps, batch, "r1");
    expect(next.map((one) => `${one.id} ${one.state}`)).toEqual([
      "a failed",
      "b pending",
      "c pending",
    ]);
    expect(next[1]).toBe(steps[1]);
  });
  it("shows the latest value of a metric", () => {
    const next = applyToSteps(
      steps,
      collapse([
        { type: "metric", data: metric("b", 1, 0.5) },
        { type: "metric", data: metric("b", 2, 0.25) },
      ]),
      "r1",
    );
    expect(next[1]?.last_metrics?.loss?.value).toBe(0.25);
  });
  it("takes 5,000 changed steps in one go", () => {
    const many = Array.from({ length: 5000 }, (_, i) => step(`s${i}`));
    const batch = collapse(
      many.map((one) => ({ type: "step" as const, data: { ...one, state: "succeeded" as const } })),
    );
    expect(applyToSteps(many, batch, "r1").every((one) => one.state === "succeeded")).toBe(true);
  });
});

describe("an open step", () => {
  it("asks to be read again, and shows the new state at once", () => {
    const detail = { ...step("a"), command: "true" } as StepDetail;
    const next = applyToStep(
      detail,
      collapse([{ type: "step", data: step("a", { state: "running" }) }]),
    );
    expect(next.stale).toBe(true);
    expect(next.step).toMatchObject({ state: "running", command: "true" });
  });
});

describe("metrics", () => {
  it("grow without repeating points that an answer brought already", () => {
    const series = [
      { name: "loss", points: [metric("a", 1, 0.5).point, metric("a", 2, 0.4).point] },
    ];
    const next = applyToMetrics(
      series,
      collapse([2, 3, 4].map((t) => ({ type: "metric" as const, data: metric("a", t, 1 / t) }))),
      "a",
    );
    expect(next[0]?.points.map((point) => point.time)).toEqual([1, 2, 3, 4]);
    expect(series[0]?.points).toHaveLength(2);
  });
  it("start a series with the first point", () => {
    const next = applyToMetrics([], collapse([{ type: "metric", data: metric("a", 1, 1) }]), "a");
    expect(next).toEqual([{ name: "loss", points: [{ value: 1, time: 1, step: 1 }] }]);
  });
});

// How events change what the page already knows. Pure functions: each gives back the same object when
// nothing in it changed, so that React renders only what did.
import type {
  MetricEvent,
  MetricSeries,
  Run,
  RunDetail,
  RunPage,
  Step,
  StepDetail,
} from "../api/types";

export type StreamEvent =
  { type: "run"; data: Run } | { type: "step"; data: Step } | { type: "metric"; data: MetricEvent };

/** Events since the last frame, the latest of each run and step only. */
export interface Batch {
  runs: Map<string, Run>;
  steps: Map<string, Step>;
  metrics: MetricEvent[];
}

/** Collapses events, oldest first, into one batch. */
export function collapse(events: readonly StreamEvent[]): Batch {
  const batch: Batch = { runs: new Map(), steps: new Map(), metrics: [] };
  for (const event of events) {
    if (event.type === "run") batch.runs.set(event.data.id, event.data);
    else if (event.type === "step") batch.steps.set(event.data.id, event.data);
    else batch.metrics.push(event.data);
  }
  return batch;
}

/**
 * Updates the rows of a page of runs. `stale` says that the page must be read again: a run appeared, or
 * a change may move a row into or out of the filter or to another place of the order.
 */
export function applyToRunPage(page: RunPage, batch: Batch): { page: RunPage; stale: boolean } {
  if (batch.runs.size === 0) return { page, stale: false };
  const known = new Set(page.items.map((run) => run.id));
  let stale = [...batch.runs.keys()].some((id) => !known.has(id));
  let changed = false;
  const items: Run[] = [];
  for (const run of page.items) {
    const next = batch.runs.get(run.id);
    if (next) changed = true;
    if (next && next.state !== run.state) stale = true;
    items.push(next ?? run);
  }
  return { page: changed ? { ...page, items } : page, stale };
}

/** Updates a run's own page; what only the detailed answer holds stays. */
export function applyToRun(run: RunDetail, batch: Batch): RunDetail {
  const next = batch.runs.get(run.id);
  return next ? { ...run, ...next } : run;
}

function withMetrics(step: Step, metrics: readonly MetricEvent[]): Step {
  const last = { ...step.last_metrics };
  for (const metric of metrics) last[metric.name] = metric.point;
  return { ...step, last_metrics: last };
}

function byStep(metrics: readonly MetricEvent[]): Map<string, MetricEvent[]> {
  const groups = new Map<string, MetricEvent[]>();
  for (const metric of metrics) {
    const group = groups.get(metric.step_id);
    if (group) group.push(metric);
    else groups.set(metric.step_id, [metric]);
  }
  return groups;
}

/** Updates the steps of one run; steps that were not known are added at the end. */
export function applyToSteps(steps: readonly Step[], batch: Batch, runId: string): readonly Step[] {
  const metrics = byStep(batch.metrics.filter((metric) => metric.run_id === runId));
  const fresh = new Map([...batch.steps].filter(([, step]) => step.run_id === runId));
  if (metrics.size === 0 && fresh.size === 0) return steps;
  let changed = false;
  const next = steps.map((old) => {
    let step = old;
    const update = fresh.get(step.id);
    if (update) {
      step = update;
      fresh.delete(step.id);
    }
    const points = metrics.get(step.id);
    if (points) step = withMetrics(step, points);
    if (step !== old) changed = true;
    return step;
  });
  for (const step of fresh.values()) {
    const points = metrics.get(step.id);
    next.push(points ? withMetrics(step, points) : step);
    changed = true;
  }
  return changed ? next : steps;
}

/**
 * Updates an open step. `stale` says that it must be read again: what only the detailed answer holds
 * (ranks, outputs, cache report) changes with the state.
 */
export function applyToStep(step: StepDetail, batch: Batch): { step: StepDetail; stale: boolean } {
  const next = batch.steps.get(step.id);
  return next ? { step: { ...step, ...next }, stale: true } : { step, stale: false };
}

/** Appends points to a step's series. A point that is there already (a refetch overtook it) is not repeated. */
export function applyToMetrics(
  series: readonly MetricSeries[],
  batch: Batch,
  stepId: string,
): readonly MetricSeries[] {
  const events = batch.metrics.filter((metric) => metric.step_id === stepId);
  if (events.length === 0) return series;
  const byName = new Map(series.map((one) => [one.name, one]));
  const grown = new Set<string>();
  for (const { name, point } of events) {
    const one = byName.get(name);
    const last = one?.points.at(-1);
    if (
      last &&
      (point.time < last.time || (point.time === last.time && point.step === last.step))
    ) {
      continue;
    }
    if (one && grown.has(name)) {
      one.points.push(point);
    } else {
      byName.set(name, { name, points: [...(one?.points ?? []), point] });
      grown.add(name);
    }
  }
  return grown.size > 0 ? [...byName.values()] : series;
}

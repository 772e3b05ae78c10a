// Joins the event stream to the query cache: what the server says is on the page a frame later.
import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useState, type ReactNode } from "react";
import { keys, recent } from "../api/queries";
import type { MetricSeries, RunDetail, RunPage, Step, StepDetail } from "../api/types";
import { checkSession } from "../session/session";
import {
  applyToMetrics,
  applyToRun,
  applyToRunPage,
  applyToStep,
  applyToSteps,
  collapse,
  type Batch,
} from "./reducer";
import { EventStream, type StreamState } from "./stream";

const StreamContext = createContext<StreamState>("connecting");

/** Whether what is shown is live. */
export function useStreamState(): StreamState {
  return useContext(StreamContext);
}

// A list that may have changed as a whole is read again at most this often.
const kRefetchEvery = 500;
// When the stream takes longer to open than this, pages read without it (and again once it is open).
const kOpenPatience = 800;

/** Gathers requests to read queries again, so that a burst of events asks once. */
class Refetcher {
  private readonly stale = new Map<string, readonly unknown[]>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly queries: QueryClient) {}

  add(key: readonly unknown[]): void {
    this.stale.set(JSON.stringify(key), key);
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      for (const queryKey of this.stale.values()) void this.queries.invalidateQueries({ queryKey });
      this.stale.clear();
    }, kRefetchEvery);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}

function applyBatch(queries: QueryClient, refetcher: Refetcher, batch: Batch): void {
  recent.add(batch);
  for (const [key, page] of queries.getQueriesData<RunPage>({ queryKey: keys.runs })) {
    if (!page) continue;
    const next = applyToRunPage(page, batch);
    if (next.page !== page) queries.setQueryData(key, next.page);
    if (next.stale) refetcher.add(keys.runs);
  }
  const runIds = new Set([
    ...batch.runs.keys(),
    ...[...batch.steps.values()].map((step) => step.run_id),
    ...batch.metrics.map((metric) => metric.run_id),
  ]);
  for (const runId of runIds) {
    queries.setQueryData<RunDetail>(keys.run(runId), (run) => run && applyToRun(run, batch));
    queries.setQueryData<readonly Step[]>(
      keys.steps(runId),
      (steps) => steps && applyToSteps(steps, batch, runId),
    );
    for (const [key, step] of queries.getQueriesData<StepDetail>({ queryKey: ["step", runId] })) {
      if (!step) continue;
      const next = applyToStep(step, batch);
      if (!next.stale) continue;
      queries.setQueryData(key, next.step);
      refetcher.add(key);
    }
  }
  const measured = new Map(batch.metrics.map((metric) => [metric.step_id, metric.run_id]));
  for (const [stepId, runId] of measured) {
    queries.setQueryData<readonly MetricSeries[]>(
      keys.metrics(runId, stepId),
      (series) => series && applyToMetrics(series, batch, stepId),
    );
  }
}

/** Waits for the next frame, or a moment when the page is in the background and draws none. */
function nextFrame(task: () => void): void {
  if (document.hidden) setTimeout(task, 200);
  else requestAnimationFrame(task);
}

/**
 * Keeps the one connection of the page open and shares its state. Queries inside wait until it is open
 * before they read, so that nothing falls between the answer and the first event.
 */
export function EventHub({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [state, setState] = useState<StreamState>("connecting");
  const [patient, setPatient] = useState(true);

  useEffect(() => {
    const refetcher = new Refetcher(queries);
    const timer = setTimeout(() => setPatient(false), kOpenPatience);
    let opened = false;
    const stream = new EventStream({
      connect: (after) =>
        new EventSource(`/api/v1/events${after === undefined ? "" : `?after=${after}`}`),
      onState: (next) => {
        setState(next);
        if (next !== "open" || opened) return;
        opened = true;
        // Whatever was read before the stream opened may have missed an event.
        void queries.invalidateQueries();
      },
      onEvents: (events) => applyBatch(queries, refetcher, collapse(events)),
      onGap: () => void queries.invalidateQueries(),
      onFailure: () => void checkSession(),
      schedule: nextFrame,
      later: (task, delay) => {
        const id = setTimeout(task, delay);
        return () => clearTimeout(id);
      },
    });
    return () => {
      clearTimeout(timer);
      stream.close();
      refetcher.stop();
    };
  }, [queries]);

  if (state === "connecting" && patient) return null;
  return <StreamContext value={state}>{children}</StreamContext>;
}

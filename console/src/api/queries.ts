// What the pages read, as TanStack queries. Keys are fixed here, so that events find what they change.
import { queryOptions } from "@tanstack/react-query";
import { RecentBatches } from "../events/recent";
import { applyToMetrics, applyToRun, applyToRunPage, applyToSteps } from "../events/reducer";
import type { RunsSearch } from "../lib/search";
import { kDefaultPageSize } from "../lib/search";
import { client, unwrap } from "./client";
import type { MetricSeries, Step } from "./types";

export const recent = new RecentBatches();

/** More steps than this are not read into the page; it says so. */
export const kMostSteps = 20_000;

export const keys = {
  topology: ["topology"] as const,
  runs: ["runs"] as const,
  run: (runId: string) => ["run", runId] as const,
  steps: (runId: string) => ["steps", runId] as const,
  step: (runId: string, stepId: string) => ["step", runId, stepId] as const,
  metrics: (runId: string, stepId: string) => ["metrics", runId, stepId] as const,
};

export function runsQuery(search: RunsSearch) {
  return queryOptions({
    queryKey: [...keys.runs, search] as const,
    queryFn: async ({ signal }) => {
      const mark = recent.mark();
      const page = await unwrap(
        client.GET("/api/v1/runs", {
          params: {
            query: {
              limit: search.size ?? kDefaultPageSize,
              ...(search.cursor && { cursor: search.cursor }),
              ...(search.state && { state: search.state }),
              ...(search.name && { name: search.name }),
              ...(search.sort && { sort: search.sort }),
              ...(search.order && { order: search.order }),
            },
          },
          signal,
        }),
      );
      return recent.since(mark).reduce((old, batch) => applyToRunPage(old, batch).page, page);
    },
  });
}

export function runQuery(runId: string) {
  return queryOptions({
    queryKey: keys.run(runId),
    queryFn: async ({ signal }) => {
      const mark = recent.mark();
      const run = await unwrap(
        client.GET("/api/v1/runs/{run_id}", { params: { path: { run_id: runId } }, signal }),
      );
      return recent.since(mark).reduce(applyToRun, run);
    },
  });
}

export function stepsQuery(runId: string) {
  return queryOptions({
    queryKey: keys.steps(runId),
    structuralSharing: false,
    queryFn: async ({ signal }): Promise<readonly Step[]> => {
      const mark = recent.mark();
      const steps: Step[] = [];
      let cursor: string | undefined;
      do {
        const page = await unwrap(
          client.GET("/api/v1/runs/{run_id}/steps", {
            params: { path: { run_id: runId }, query: { limit: 1000, ...(cursor && { cursor }) } },
            signal,
          }),
        );
        steps.push(...page.items);
        cursor = page.next_cursor;
      } while (cursor && steps.length < kMostSteps);
      return recent
        .since(mark)
        .reduce<readonly Step[]>((old, batch) => applyToSteps(old, batch, runId), steps);
    },
  });
}

export function stepQuery(runId: string, stepId: string) {
  return queryOptions({
    queryKey: keys.step(runId, stepId),
    queryFn: ({ signal }) =>
      unwrap(
        client.GET("/api/v1/runs/{run_id}/steps/{step_id}", {
          params: { path: { run_id: runId, step_id: stepId } },
          signal,
        }),
      ),
  });
}

export function metricsQuery(runId: string, stepId: string) {
  return queryOptions({
    queryKey: keys.metrics(runId, stepId),
    structuralSharing: false,
    queryFn: async ({ signal }): Promise<readonly MetricSeries[]> => {
      const mark = recent.mark();
      const list = await unwrap(
        client.GET("/api/v1/runs/{run_id}/steps/{step_id}/metrics", {
          params: { path: { run_id: runId, step_id: stepId } },
          signal,
        }),
      );
      return recent
        .since(mark)
        .reduce<readonly MetricSeries[]>(
          (old, batch) => applyToMetrics(old, batch, stepId),
          list.items,
        );
    },
  });
}

export function topologyQuery() {
  return queryOptions({
    queryKey: keys.topology,
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/topology", { signal })),
    // The server looks anew once a minute.
    staleTime: 60_000,
  });
}

/** Where the bytes of an artifact are; `path` names a file inside a folder. */
export function artifactUrl(runId: string, stepId: string, name: string, path?: string): string {
  const base = `/api/v1/runs/${runId}/steps/${stepId}/artifacts/${encodeURIComponent(name)}/content`;
  return path === undefined ? base : `${base}?path=${encodeURIComponent(path)}`;
}

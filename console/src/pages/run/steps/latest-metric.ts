import type { MetricPoint, Step } from "../../../api/types";

/** The metric that a step logged last. */
export function latestMetric(step: Step): { name: string; point: MetricPoint } | undefined {
  let latest: { name: string; point: MetricPoint } | undefined;
  for (const [name, point] of Object.entries(step.last_metrics ?? {})) {
    if (!latest || point.time > latest.point.time) latest = { name, point };
  }
  return latest;
}

// The time axis of the timeline.

const kSteps = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3, 120e3, 300e3, 600e3,
  900e3, 1800e3, 3600e3, 7200e3, 14400e3, 21600e3, 43200e3, 86400e3,
].map((ms) => ms * 1000);

export interface Scale {
  /** Microseconds at the left and right edge. */
  from: number;
  to: number;
  /** Offsets from the left edge, in microseconds, where lines are drawn. */
  ticks: number[];
}

interface Timed {
  created_at: number;
  started_at?: number;
  finished_at?: number;
}

/** Fits everything that started, and `now` while something runs. At most about `lines` lines. */
export function scaleOf(items: readonly Timed[], now: number, lines = 8): Scale | undefined {
  const started = items.filter((item) => item.started_at !== undefined);
  if (started.length === 0) return undefined;
  let from = Infinity;
  let to = -Infinity;
  for (const item of started) {
    from = Math.min(from, item.started_at ?? Infinity);
    to = Math.max(to, item.finished_at ?? now);
  }
  to = Math.max(to, from + 1000);
  const length = to - from;
  const step =
    kSteps.find((size) => length / size <= lines) ??
    86_400_000_000 * Math.ceil(length / lines / 86_400_000_000);
  const ticks: number[] = [];
  for (let offset = 0; offset <= length; offset += step) ticks.push(offset);
  return { from, to, ticks };
}

/** Where a time is, in percent of the width. */
export function place(scale: Scale, time: number): number {
  return (100 * (time - scale.from)) / (scale.to - scale.from);
}

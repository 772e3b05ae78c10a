// What the address bar holds. Every page reads its filters, tabs and selection from here, so that an
// address shows the same again. Unknown or wrong values are dropped, defaults are never written.
import type { RunState, StepState } from "../api/types";

export const kRunStates = [
  "running",
  "pending",
  "terminating",
  "succeeded",
  "failed",
  "terminated",
] as const satisfies readonly RunState[];

export const kStepStates = [
  "running",
  "pending",
  "terminating",
  "succeeded",
  "failed",
  "terminated",
  "cancelled",
  "skipped",
] as const satisfies readonly StepState[];

export const kSorts = ["created_at", "name", "state", "duration"] as const;
export const kPageSizes = [25, 50, 100, 200, 1000] as const;
export const kDefaultPageSize = 50;
export const kRunTabs = ["graph", "steps", "gantt", "yaml"] as const;
export const kPanelTabs = ["overview", "why", "logs", "metrics", "artifacts"] as const;

export type Sort = (typeof kSorts)[number];
export type RunTab = (typeof kRunTabs)[number];
export type PanelTab = (typeof kPanelTabs)[number];

/** `/runs`. Absent means the default. */
export interface RunsSearch {
  state?: RunState[];
  name?: string;
  sort?: Sort;
  order?: "asc" | "desc";
  size?: number;
  cursor?: string;
}

/** `/runs/$runId`. `step` opens the step's panel. */
export interface RunSearch {
  tab?: RunTab;
  step?: string;
  panel?: PanelTab;
  rank?: number;
  name?: string;
  state?: StepState[];
}

type Raw = Record<string, unknown>;

function oneOf<T extends string>(value: unknown, allowed: readonly T[]): T | undefined {
  return allowed.find((item) => item === value);
}

function someOf<T extends string>(value: unknown, allowed: readonly T[]): T[] | undefined {
  const items = Array.isArray(value) ? value : typeof value === "string" ? value.split(",") : [];
  const found = allowed.filter((item) => items.includes(item));
  return found.length > 0 ? found : undefined;
}

function text(value: unknown, most: number): string | undefined {
  return typeof value === "string" && value !== "" ? value.slice(0, most) : undefined;
}

function integer(value: unknown, most: number): number | undefined {
  const number = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= most
    ? number
    : undefined;
}

/** Drops keys whose value is undefined, so that equal searches are equal objects. */
function compact<T extends object>(search: T): T {
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as T;
}

function unless<T>(value: T | undefined, usual: T): T | undefined {
  return value === usual ? undefined : value;
}

export function parseRunsSearch(raw: Raw): RunsSearch {
  const size = integer(raw.size, 1000);
  return compact<RunsSearch>({
    state: someOf(raw.state, kRunStates),
    name: text(raw.name, 128),
    sort: unless(oneOf(raw.sort, kSorts), "created_at"),
    order: unless(oneOf(raw.order, ["asc", "desc"] as const), "desc"),
    size: kPageSizes.some((item) => item === size) ? unless(size, kDefaultPageSize) : undefined,
    cursor: text(raw.cursor, 512),
  });
}

const kId = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

export function parseRunSearch(raw: Raw): RunSearch {
  const step = typeof raw.step === "string" && kId.test(raw.step) ? raw.step : undefined;
  return compact<RunSearch>({
    tab: unless(oneOf(raw.tab, kRunTabs), "graph"),
    step,
    // Without a step there is no panel to have a tab.
    panel: step ? unless(oneOf(raw.panel, kPanelTabs), "overview") : undefined,
    rank: step ? unless(integer(raw.rank, 65535), 0) : undefined,
    name: text(raw.name, 128),
    state: someOf(raw.state, kStepStates),
  });
}

/** The router's own reading of `?…`: plain strings, no guessing of types. */
export function parseQuery(query: string): Raw {
  return Object.fromEntries(new URLSearchParams(query));
}

/** The router's own writing of `?…`: lists joined by commas, which stay readable. */
export function stringifyQuery(search: Raw): string {
  const parts: string[] = [];
  for (const [key, value] of Object.entries(search)) {
    if (value === undefined || value === null || value === "") continue;
    const plain = Array.isArray(value) ? value.join(",") : formatPlain(value);
    parts.push(`${key}=${encodeURIComponent(plain).replaceAll("%2C", ",")}`);
  }
  return parts.length > 0 ? `?${parts.join("&")}` : "";
}

function formatPlain(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

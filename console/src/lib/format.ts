// Times, durations and sizes for people. Times of the API are UTC microseconds.

export type Language = "en" | "zh";

const kUnits = {
  en: { ms: "ms", s: "s", m: "m", h: "h", d: "d" },
  zh: { ms: "毫秒", s: "秒", m: "分", h: "时", d: "天" },
} as const;

/** A length of time, two units at most: `420 ms`, `12.3 s`, `3 m 12 s`, `2 h 05 m`, `3 d 4 h`. */
export function formatDuration(micros: number, language: Language): string {
  const unit = kUnits[language];
  const us = Math.max(0, micros);
  if (us < 999_500) return `${Math.round(us / 1000)} ${unit.ms}`;
  if (us < 59_950_000) return `${(us / 1e6).toFixed(1)} ${unit.s}`;
  const seconds = Math.round(us / 1e6);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} ${unit.m} ${pad(seconds % 60)} ${unit.s}`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 24 * 60) {
    return `${Math.floor(minutes / 60)} ${unit.h} ${pad(minutes % 60)} ${unit.m}`;
  }
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)} ${unit.d} ${hours % 24} ${unit.h}`;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}

interface Timed {
  started_at?: number;
  finished_at?: number;
}

/** How long something has taken so far, in microseconds; undefined before it starts. */
export function elapsed(timed: Timed, now: number): number | undefined {
  if (timed.started_at === undefined) return undefined;
  return Math.max(0, (timed.finished_at ?? now) - timed.started_at);
}

const formats = new Map<string, Intl.DateTimeFormat>();
function formatter(language: Language, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = language + JSON.stringify(options);
  let format = formats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en", {
      hourCycle: "h23",
      ...options,
    });
    formats.set(key, format);
  }
  return format;
}

/** Local time: only the clock for today, with the date otherwise. */
export function formatTime(micros: number, now: number, language: Language): string {
  const time = new Date(micros / 1000);
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  const today = new Date(now / 1000);
  if (time.toDateString() === today.toDateString()) return formatter(language, clock).format(time);
  const date =
    time.getFullYear() === today.getFullYear()
      ? ({ month: "short", day: "numeric" } as const)
      : ({ year: "numeric", month: "short", day: "numeric" } as const);
  return formatter(language, { ...date, hour: "2-digit", minute: "2-digit" }).format(time);
}

/** Local date and time to the second with the time zone's name: for tooltips. */
export function formatExact(micros: number, language: Language): string {
  return formatter(language, {
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
  }).format(new Date(micros / 1000));
}

/** Bytes in binary units: `812 B`, `1.5 KiB`, `23 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit > 0 && value < 10 ? 1 : 0;
  return `${value.toFixed(digits)} ${units[unit] ?? ""}`;
}

/** A metric's value: six significant digits unless told otherwise, no trailing zeros, large and small ones by exponent. */
export function formatNumber(value: number | null | undefined, digits = 6): string {
  if (value === null || value === undefined) return "NaN";
  if (value !== 0 && (Math.abs(value) >= 1e7 || Math.abs(value) < 1e-4)) {
    return value.toExponential(3);
  }
  return String(Number(value.toPrecision(digits)));
}

/** Any JSON value on one line; strings without quotes. */
export function formatValue(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

const kSignals: Record<number, string> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  5: "SIGTRAP",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  11: "SIGSEGV",
  13: "SIGPIPE",
  14: "SIGALRM",
  15: "SIGTERM",
  24: "SIGXCPU",
  25: "SIGXFSZ",
};

/** A signal by name and number: `SIGKILL (9)`. */
export function formatSignal(signal: number): string {
  const name = kSignals[signal];
  return name ? `${name} (${signal})` : String(signal);
}

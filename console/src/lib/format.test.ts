import { describe, expect, it } from "vitest";
import {
  elapsed,
  formatBytes,
  formatDuration,
  formatNumber,
  formatSignal,
  formatTime,
  formatValue,
} from "./format";

const s = 1_000_000;

describe("formatDuration", () => {
  it.each([
    [0, "0 ms"],
    [420_000, "420 ms"],
    [999_499, "999 ms"],
    [999_500, "1.0 s"],
    [12.34 * s, "12.3 s"],
    [59.949 * s, "59.9 s"],
    [59.95 * s, "1 m 00 s"],
    [192 * s, "3 m 12 s"],
    [3599.6 * s, "1 h 00 m"],
    [7500 * s, "2 h 05 m"],
    [86_399 * s, "23 h 59 m"],
    [(3 * 24 + 4) * 3600 * s, "3 d 4 h"],
  ])("shows %d µs as %s", (micros, text) => expect(formatDuration(micros, "en")).toBe(text));

  it("never shows less than nothing when clocks differ", () =>
    expect(formatDuration(-5 * s, "en")).toBe("0 ms"));

  it("speaks Chinese", () => expect(formatDuration(192 * s, "zh")).toBe("3 分 12 秒"));
});

describe("elapsed", () => {
  it("is unknown before the start", () => expect(elapsed({}, 9)).toBeUndefined());
  it("grows while running", () => expect(elapsed({ started_at: 2 }, 9)).toBe(7));
  it("stays after the end", () => expect(elapsed({ started_at: 2, finished_at: 5 }, 9)).toBe(3));
});

describe("formatTime", () => {
  const now = new Date(2024, 4, 6, 12, 0, 0).getTime() * 1000;
  const at = (...parts: [number, number, number, number, number, number]) =>
    new Date(...parts).getTime() * 1000;
  it("shows only the clock for today", () =>
    expect(formatTime(at(2024, 4, 6, 9, 5, 7), now, "en")).toBe("09:05:07"));
  it("adds the date for other days", () =>
    expect(formatTime(at(2024, 4, 5, 9, 5, 7), now, "en")).toBe("May 5, 09:05"));
  it("adds the year for other years", () =>
    expect(formatTime(at(2023, 11, 31, 23, 59, 0), now, "en")).toBe("Dec 31, 2023, 23:59"));
});

describe("values", () => {
  it.each([
    [812, "812 B"],
    [1536, "1.5 KiB"],
    [24 * 1024 * 1024, "24 MiB"],
  ])("shows %d bytes as %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
  it.each([
    [0.961_157_4, "0.961157"],
    [0, "0"],
    [1e-9, "1.000e-9"],
    [12_345_678, "1.235e+7"],
    [null, "NaN"],
  ])("shows the number %d as %s", (value, text) => expect(formatNumber(value)).toBe(text));
  it("shows JSON on one line and strings bare", () => {
    expect(formatValue("a b")).toBe("a b");
    expect(formatValue({ lr: [1, 2] })).toBe('{"lr":[1,2]}');
    expect(formatValue(undefined)).toBe("");
  });
  it("names signals", () => {
    expect(formatSignal(9)).toBe("SIGKILL (9)");
    expect(formatSignal(34)).toBe("34");
  });
});

import { describe, expect, it } from "vitest";
import { place, scaleOf } from "./scale";

const s = 1_000_000;

describe("scaleOf", () => {
  it("is nothing before the first start", () =>
    expect(scaleOf([{ created_at: 0 }], 9)).toBeUndefined());
  it("fits finished steps and grows to now while one runs", () => {
    const done = { created_at: 0, started_at: 10 * s, finished_at: 12 * s };
    expect(scaleOf([done], 99 * s)).toMatchObject({ from: 10 * s, to: 12 * s });
    expect(scaleOf([done, { created_at: 0, started_at: 11 * s }], 99 * s)?.to).toBe(99 * s);
  });
  it.each([50_000, 22 * s, 3600 * s, 9e5 * s])("draws few round lines over %d µs", (length) => {
    const scale = scaleOf([{ created_at: 0, started_at: 0, finished_at: length }], 0);
    expect(scale?.ticks.length).toBeGreaterThan(2);
    expect(scale?.ticks.length).toBeLessThanOrEqual(9);
  });
  it("does not divide by a step that took no time", () => {
    const scale = scaleOf([{ created_at: 0, started_at: 5, finished_at: 5 }], 5);
    expect(scale && place(scale, 5)).toBe(0);
  });
});

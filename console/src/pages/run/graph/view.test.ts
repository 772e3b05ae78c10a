import { describe, expect, it } from "vitest";
import { kLegible, viewOf } from "./view";

const wide = { x: 0, y: 0, width: 2000, height: 100 };

describe("viewOf", () => {
  it("shows a small graph whole, in the middle, hardly enlarged", () => {
    const view = viewOf({ x: 0, y: 0, width: 200, height: 50 }, undefined, 1000, 600);
    expect(view.zoom).toBe(1.1);
    expect(view.x + 100 * view.zoom).toBe(500);
    expect(view.y + 25 * view.zoom).toBe(300);
  });

  it("never shrinks texts until they cannot be read, and begins at the start", () => {
    const view = viewOf(wide, undefined, 800, 600);
    expect(view.zoom).toBe(kLegible);
    expect(view.x).toBe(28);
  });

  it("shows the node that matters, and no void beyond the ends", () => {
    const middle = viewOf(wide, { x: 900, y: 0, width: 200, height: 50 }, 800, 600);
    expect(middle.x + 1000 * middle.zoom).toBe(400);
    const last = viewOf(wide, { x: 1800, y: 0, width: 200, height: 50 }, 800, 600);
    expect(last.x + 2000 * last.zoom).toBe(800 - 28);
  });
});

import { describe, expect, it } from "vitest";
import type { Topology } from "../../api/types";
import { fullName, matrixOf, measuredLinks, partsOf, railsOf } from "./model";

const one: Topology = {
  version: 1,
  parts: [
    { id: 0, kind: "host", name: "a" },
    { id: 1, kind: "accelerator", name: "GPU 0", parent: 0 },
    { id: 2, kind: "nic", name: "mlx5_0", parent: 0, rail: 0 },
    { id: 3, kind: "nic", name: "mlx5_1", parent: 0, rail: 1 },
  ],
  links: [],
  distances: {
    parts: [1, 2, 3],
    classes: [
      ["LOC", "SYS", "PIX"],
      ["SYS", "LOC", "SYS"],
      ["PIX", "SYS", "LOC"],
    ],
  },
  limits: {},
  notes: [],
};

const two: Topology = {
  ...one,
  parts: [
    ...one.parts,
    { id: 4, kind: "host", name: "b" },
    { id: 5, kind: "nic", name: "mlx5_0", parent: 4, rail: 0 },
    { id: 6, kind: "switch", name: "network switch 0", rail: 0 },
  ],
  links: [
    { a: 2, b: 6, kind: "network", measured: true, gigabytes_per_second: 24, latency_us: 1.5 },
    { a: 3, b: 6, kind: "network", measured: true, gigabytes_per_second: 25, latency_us: 1.5 },
    { a: 5, b: 6, kind: "network", measured: true, gigabytes_per_second: 6, latency_us: 1.5 },
    { a: 5, b: 4, kind: "pcie", measured: false, gigabytes_per_second: 1 },
  ],
};

describe("matrixOf", () => {
  it("explains only the classes that occur, nearest first", () => {
    const matrix = matrixOf(one);
    expect(matrix?.names).toEqual(["GPU 0", "mlx5_0", "mlx5_1"]);
    expect(matrix?.used).toEqual(["PIX", "SYS"]);
  });

  it("is nothing where there are not two devices", () => {
    const alone = { ...one, distances: { parts: [1], classes: [["LOC" as const]] } };
    expect(matrixOf(alone)).toBeNull();
  });
});

describe("fullName", () => {
  it("has the host's name where there are several", () => {
    const names = (topology: Topology, kind: "accelerator" | "switch") =>
      partsOf(topology, kind).map((part) => fullName(topology, part));
    expect(names(one, "accelerator")).toEqual(["GPU 0"]);
    expect(names(two, "accelerator")).toEqual(["a GPU 0"]);
    expect(names(two, "switch")).toEqual(["network switch 0"]);
  });
});

describe("measuredLinks", () => {
  it("leaves out what was read from the system, and names the slow one", () => {
    const links = measuredLinks(two);
    expect(links.map((link) => [link.from, link.slow])).toEqual([
      ["a mlx5_0", false],
      ["a mlx5_1", false],
      ["b mlx5_0", true],
    ]);
    expect(measuredLinks(one)).toEqual([]);
  });
});

describe("railsOf", () => {
  it("counts rails from 0", () => {
    expect(railsOf(one)).toBe(2);
    expect(railsOf({ ...one, parts: [] })).toBe(0);
  });
});

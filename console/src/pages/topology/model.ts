// What the topology page shows, worked out of the API's graph.
import type { Topology, TopologyLink, TopologyPart } from "../../api/types";

/** Distance classes, nearest first. */
export const kClasses = ["LOC", "NVL", "PIX", "PXB", "PHB", "NODE", "SYS", "NET"] as const;
export type DistanceClass = (typeof kClasses)[number];

export interface Matrix {
  /** Names of its rows and columns; with the host's where there are several. */
  names: string[];
  classes: DistanceClass[][];
  /** The classes that occur between different parts, nearest first. */
  used: DistanceClass[];
}

export interface MeasuredLink {
  id: string;
  from: string;
  to: string;
  latencyUs: number | undefined;
  gigabytesPerSecond: number | undefined;
  /** Less than 0.6 of the median of all measured links. */
  slow: boolean;
}

const kSlow = 0.6;

function hostOf(topology: Topology, part: TopologyPart): TopologyPart | undefined {
  let at: TopologyPart | undefined = part;
  while (at && at.kind !== "host") {
    at = at.parent === undefined ? undefined : topology.parts[at.parent];
  }
  return at;
}

export function partsOf(topology: Topology, kind: TopologyPart["kind"]): TopologyPart[] {
  return topology.parts.filter((part) => part.kind === kind);
}

/** "GPU 0", or "host-a GPU 0" where there are several hosts. */
export function fullName(topology: Topology, part: TopologyPart): string {
  if (partsOf(topology, "host").length < 2 || part.kind === "host") return part.name;
  const host = hostOf(topology, part);
  return host ? `${host.name} ${part.name}` : part.name;
}

/** Distances between accelerators and NICs; null where there are not two of them. */
export function matrixOf(topology: Topology): Matrix | null {
  const parts = topology.distances.parts.map((id) => topology.parts[id]);
  if (parts.length < 2) return null;
  const classes = topology.distances.classes;
  const seen = new Set(classes.flatMap((row, a) => row.filter((_, b) => a !== b)));
  return {
    names: parts.map((part) => (part ? fullName(topology, part) : "?")),
    classes,
    used: kClasses.filter((one) => seen.has(one)),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

export function measuredLinks(topology: Topology): MeasuredLink[] {
  const links: TopologyLink[] = topology.links.filter((link) => link.measured);
  const typical = median(links.flatMap((link) => link.gigabytes_per_second ?? []));
  const name = (id: number) => {
    const part = topology.parts[id];
    return part ? fullName(topology, part) : "?";
  };
  return links.map((link, place) => ({
    id: String(place),
    from: name(link.a),
    to: name(link.b),
    latencyUs: link.latency_us,
    gigabytesPerSecond: link.gigabytes_per_second,
    slow: link.gigabytes_per_second !== undefined && link.gigabytes_per_second < kSlow * typical,
  }));
}

export function railsOf(topology: Topology): number {
  return Math.max(0, ...partsOf(topology, "nic").map((nic) => (nic.rail ?? -1) + 1));
}

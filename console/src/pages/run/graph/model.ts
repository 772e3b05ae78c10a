// What the graph shows of a run's steps. A group (a DAG, or a loop with several iterations) is either
// open, with its members inside, or one node with counts. A browser draws some hundreds of nodes well,
// so when a run has more, groups start closed.
import type { Step } from "../../../api/types";
import { shownState, type ShownState } from "../../../ui/state";

/** From this many steps on, groups start closed. */
export const kCollapseAbove = 500;
/** An open loop draws this many of its iterations; the table has all. */
export const kMostIterations = 60;

export interface StepNode {
  kind: "step";
  id: string;
  parent: string | undefined;
  step: Step;
}

export interface GroupNode {
  kind: "group";
  id: string;
  parent: string | undefined;
  name: string;
  /** The DAG's own step; a loop of plain steps has none. */
  step: Step | undefined;
  /** A loop holds iterations of one node, a DAG holds its children. */
  what: "dag" | "loop";
  open: boolean;
  members: number;
  /** Members that are not drawn though the group is open. */
  hidden: number;
  counts: Partial<Record<ShownState, number>>;
}

export type GraphNode = StepNode | GroupNode;

export interface GraphEdge {
  id: string;
  from: string;
  to: string;
  /** The arrow to a post-process step: it waits for everything, whatever happened. */
  loose: boolean;
}

export interface GraphModel {
  /** Parents come before their members. */
  nodes: GraphNode[];
  edges: GraphEdge[];
  /** Steps (not groups) that have a node of their own. */
  drawn: number;
  /** Changes when nodes or edges do, not when only states do: then the arrangement stays. */
  shape: string;
}

interface Tree {
  children: Map<string | undefined, Step[]>;
}

function treeOf(steps: readonly Step[]): Tree {
  const ids = new Set(steps.map((step) => step.id));
  const children = new Map<string | undefined, Step[]>();
  for (const step of steps) {
    // A parent that is not there (not yet announced) must not hide its children.
    const parent =
      step.parent_id !== undefined && ids.has(step.parent_id) ? step.parent_id : undefined;
    const list = children.get(parent);
    if (list) list.push(step);
    else children.set(parent, [step]);
  }
  return { children };
}

/** A node's own name: the last part of `dag.step`. */
export function lastPart(node: string): string {
  return node.slice(node.lastIndexOf(".") + 1);
}

/**
 * Builds the graph. `toggled` holds the ids of groups that the reader opened or closed against the
 * default.
 */
export function buildGraph(steps: readonly Step[], toggled: ReadonlySet<string>): GraphModel {
  const tree = treeOf(steps);
  const startsOpen = steps.length <= kCollapseAbove;
  const nodes: GraphNode[] = [];
  const edges: GraphEdge[] = [];
  let drawn = 0;

  const isOpen = (id: string, usual: boolean) => (toggled.has(id) ? !usual : usual);

  const count = (list: readonly Step[], into: GroupNode["counts"]): number => {
    let members = 0;
    for (const step of list) {
      const inner = tree.children.get(step.id);
      if (step.kind === "dag" && inner) {
        members += count(inner, into);
      } else {
        const state = shownState(step);
        into[state] = (into[state] ?? 0) + 1;
        members += 1;
      }
    }
    return members;
  };

  const group = (
    id: string,
    parent: string | undefined,
    name: string,
    what: "dag" | "loop",
    inside: readonly Step[],
    step: Step | undefined,
    usual: boolean,
  ): GroupNode => {
    const counts = {};
    const members = count(inside, counts);
    const open = isOpen(id, usual);
    const hidden = open && what === "loop" ? Math.max(0, inside.length - kMostIterations) : 0;
    return { kind: "group", id, parent, name, step, what, open, members, hidden, counts };
  };

  const addOne = (step: Step, parent: string | undefined): void => {
    const inner = tree.children.get(step.id);
    if (step.kind !== "dag" || !inner) {
      nodes.push({ kind: "step", id: step.id, parent, step });
      drawn += 1;
      return;
    }
    const node = group(step.id, parent, lastPart(step.name), "dag", inner, step, startsOpen);
    nodes.push(node);
    if (node.open) addLevel(inner, step.id);
  };

  const addLevel = (level: readonly Step[], parent: string | undefined): void => {
    const byNode = new Map<string, Step[]>();
    for (const step of level) {
      const name = lastPart(step.node);
      const list = byNode.get(name);
      if (list) list.push(step);
      else byNode.set(name, [step]);
    }
    // What an arrow to or from a node name touches: one node, or each iteration.
    const ends = new Map<string, string[]>();
    for (const [name, list] of byNode) {
      const [first] = list;
      if (!first) continue;
      if (list.length === 1) {
        addOne(first, parent);
        ends.set(name, [first.id]);
        continue;
      }
      const id = `loop:${parent ?? ""}:${name}`;
      const loop = group(
        id,
        parent,
        name,
        "loop",
        list,
        undefined,
        startsOpen && list.length <= 12,
      );
      nodes.push(loop);
      ends.set(name, [id]);
      if (loop.open) for (const step of list.slice(0, kMostIterations)) addOne(step, id);
    }
    const hasFollower = new Set<string>();
    const late: string[] = [];
    for (const [name, list] of byNode) {
      const [first] = list;
      if (!first) continue;
      if (first.kind === "post_process") late.push(name);
      for (const dep of first.deps) {
        hasFollower.add(lastPart(dep));
        for (const from of ends.get(lastPart(dep)) ?? []) {
          for (const to of ends.get(name) ?? []) {
            edges.push({ id: `${from}>${to}`, from, to, loose: false });
          }
        }
      }
    }
    for (const name of late) {
      for (const other of byNode.keys()) {
        if (late.includes(other) || hasFollower.has(other)) continue;
        for (const from of ends.get(other) ?? []) {
          for (const to of ends.get(name) ?? []) {
            edges.push({ id: `${from}>${to}`, from, to, loose: true });
          }
        }
      }
    }
  };

  addLevel(tree.children.get(undefined) ?? [], undefined);
  const shape = [
    ...nodes.map((node) => `${node.id}${node.kind === "group" && node.open ? "+" : ""}`),
    ...edges.map((edge) => edge.id),
  ].join(" ");
  return { nodes, edges, drawn, shape };
}

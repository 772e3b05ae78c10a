// Arranges the graph with ELK, in a worker so that the page stays quick. Loaded only when a graph is
// first drawn.
import type { ElkExtendedEdge, ElkNode } from "elkjs/lib/elk-api";
import ELK from "elkjs/lib/elk-api";
import workerUrl from "elkjs/lib/elk-worker.min.js?url";
import type { GraphModel } from "./model";

export const kNodeWidth = 212;
export const kNodeHeight = 52;
const kGroupTop = 38;

export interface Placed {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Point {
  x: number;
  y: number;
}

export interface Arrangement {
  /** Where each node goes, relative to its group. */
  nodes: Map<string, Placed>;
  /** The way each edge takes around the nodes, from the origin of the whole graph. */
  edges: Map<string, Point[]>;
}

const elk = new ELK({ workerFactory: () => new Worker(workerUrl) });

const kSpacing = {
  "elk.algorithm": "layered",
  "elk.direction": "RIGHT",
  "elk.hierarchyHandling": "INCLUDE_CHILDREN",
  "elk.json.edgeCoords": "ROOT",
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.spacing.nodeNode": "18",
  "elk.spacing.edgeNode": "16",
  "elk.layered.mergeEdges": "true",
  "elk.layered.spacing.nodeNodeBetweenLayers": "40",
  "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
  "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES",
};

export async function arrange(model: GraphModel): Promise<Arrangement> {
  const byId = new Map<string, ElkNode>();
  const root: ElkNode = { id: "root", layoutOptions: kSpacing, children: [] };
  for (const node of model.nodes) {
    const open = node.kind === "group" && node.open;
    const one: ElkNode = open
      ? {
          id: node.id,
          children: [],
          layoutOptions: {
            "elk.padding": `[top=${kGroupTop},left=14,bottom=14,right=14]`,
            "elk.spacing.nodeNode": "10",
          },
        }
      : { id: node.id, width: kNodeWidth, height: kNodeHeight };
    byId.set(node.id, one);
    const parent = node.parent === undefined ? root : byId.get(node.parent);
    parent?.children?.push(one);
  }
  root.edges = model.edges.map((edge): ElkExtendedEdge => ({
    id: edge.id,
    sources: [edge.from],
    targets: [edge.to],
  }));
  const done = await elk.layout(root);
  const nodes = new Map<string, Placed>();
  const walk = (node: ElkNode) => {
    for (const child of node.children ?? []) {
      const { x = 0, y = 0, width = kNodeWidth, height = kNodeHeight } = child;
      nodes.set(child.id, { x, y, width, height });
      walk(child);
    }
  };
  walk(done);
  for (const node of model.nodes) {
    if (node.kind === "group" && node.open && node.what === "loop")
      sortIterations(node.id, model, nodes);
  }
  const edges = new Map<string, Point[]>();
  for (const edge of done.edges ?? []) {
    const section = edge.sections?.[0];
    if (!section) continue;
    edges.set(edge.id, [section.startPoint, ...(section.bendPoints ?? []), section.endPoint]);
  }
  return { nodes, edges };
}

/** Nothing lies between iterations, so ELK gives them any order: they get each other's places. */
function sortIterations(group: string, model: GraphModel, nodes: Map<string, Placed>): void {
  const ids = model.nodes.filter((node) => node.parent === group).map((node) => node.id);
  const places = ids.flatMap((id) => nodes.get(id) ?? []);
  const alike = places.every((one) => one.height === kNodeHeight && one.width === kNodeWidth);
  if (!alike || places.length !== ids.length) return;
  places.sort((a, b) => a.x - b.x || a.y - b.y);
  places.forEach((place, index) => nodes.set(ids[index] ?? "", place));
}

// An edge along the way the layout found around the nodes, with rounded corners.
import { BaseEdge, getBezierPath, type Edge, type EdgeProps } from "@xyflow/react";
import type { Point } from "./layout";

export type RouteEdge = Edge<{ points: Point[] | undefined }, "route">;

const kRadius = 8;

/** An SVG path through points whose corners are rounded as far as the lines beside them allow. */
export function roundedPath(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (!first) return "";
  let path = `M${first.x},${first.y}`;
  rest.forEach((corner, index) => {
    const before = points[index];
    const after = rest[index + 1];
    if (!before || !after) {
      path += `L${corner.x},${corner.y}`;
      return;
    }
    const enter = towards(corner, before);
    const leave = towards(corner, after);
    path += `L${enter.x},${enter.y}Q${corner.x},${corner.y} ${leave.x},${leave.y}`;
  });
  return path;
}

/** The point near `corner` on the way to `end`, at most half of it away. */
function towards(corner: Point, end: Point): Point {
  const length = Math.hypot(end.x - corner.x, end.y - corner.y);
  if (length === 0) return corner;
  const part = Math.min(kRadius, length / 2) / length;
  return { x: corner.x + (end.x - corner.x) * part, y: corner.y + (end.y - corner.y) * part };
}

export function RouteLine(props: EdgeProps<RouteEdge>) {
  const points = props.data?.points;
  // A new edge is drawn straight away; the next arrangement finds its way.
  const path = points ? roundedPath(points) : getBezierPath(props)[0];
  return <BaseEdge id={props.id} path={path} style={props.style ?? {}} />;
}

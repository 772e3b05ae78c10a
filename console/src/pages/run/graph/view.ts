// Which part of a graph is shown, and how large, when it was just arranged or its place was resized.

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface View {
  x: number;
  y: number;
  zoom: number;
}

/** Smaller than this, the texts of nodes cannot be read. */
export const kLegible = 0.85;
const kLargest = 1.1;
const kMargin = 28;

/**
 * The whole graph where that is legible; else a legible part of it: around `focus`, but with no more
 * empty space beside the graph than the margin.
 */
export function viewOf(all: Box, focus: Box | undefined, width: number, height: number): View {
  const fitting = Math.min(
    (width - 2 * kMargin) / all.width,
    (height - 2 * kMargin) / all.height,
    kLargest,
  );
  const zoom = Math.max(fitting, kLegible);
  const place = (start: number, length: number, wanted: number | undefined, room: number) => {
    const size = length * zoom;
    if (size + 2 * kMargin <= room) return (room - size) / 2 - start * zoom;
    const left = wanted === undefined ? kMargin : room / 2 - (wanted - start) * zoom;
    return Math.min(kMargin, Math.max(room - size - kMargin, left)) - start * zoom;
  };
  return {
    x: place(all.x, all.width, focus && focus.x + focus.width / 2, width),
    y: place(all.y, all.height, focus && focus.y + focus.height / 2, height),
    zoom,
  };
}

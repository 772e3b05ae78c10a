// The part of a log that is in the page: whole lines in order, at most so many bytes.
import type { LogRange } from "../../../api/types";

/** More than this is dropped from the far end. */
export const kKeptBytes = 4 * 1024 * 1024;

// Colours and cursor movements of terminals. What is left is plain text.
// eslint-disable-next-line no-control-regex
const kEscapes = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

interface Chunk {
  offset: number;
  next: number;
  text: string;
}

export interface LogView {
  lines: readonly string[];
  /** First byte in the page; more can be loaded when it is above 0. */
  start: number;
  /** The byte after the last one in the page. */
  next: number;
}

export class LogBuffer {
  private chunks: Chunk[] = [];
  private bytes = 0;
  private lines: string[] = [];
  // Text after the last line break of `lines`; it is the last line for now.
  private tail = "";

  get start(): number {
    return this.chunks[0]?.offset ?? 0;
  }

  get next(): number {
    return this.chunks.at(-1)?.next ?? 0;
  }

  /** Adds what follows. A range that is here already (a stream resumed) is left out. */
  append(range: LogRange): void {
    if (range.next_offset <= range.offset) return;
    if (this.chunks.length > 0 && range.offset < this.next) return;
    this.push(range, "end");
    const parts = (this.tail + range.text).split("\n");
    this.tail = parts.pop() ?? "";
    for (const part of parts) this.lines.push(clean(part));
    if (this.bytes > kKeptBytes) this.drop();
  }

  /** Adds what comes before the start. */
  prepend(range: LogRange): void {
    if (range.next_offset <= range.offset || range.offset >= this.start) return;
    this.push(range, "start");
    this.rebuild();
  }

  /** A fresh object each time it is called after a change. */
  view(): LogView {
    const lines = this.tail === "" ? this.lines.slice() : [...this.lines, clean(this.tail)];
    return { lines, start: this.start, next: this.next };
  }

  private push(range: LogRange, where: "start" | "end"): void {
    const chunk = { offset: range.offset, next: range.next_offset, text: range.text };
    if (where === "end") this.chunks.push(chunk);
    else this.chunks.unshift(chunk);
    this.bytes += chunk.next - chunk.offset;
  }

  private drop(): void {
    while (this.chunks.length > 1 && this.bytes > kKeptBytes) {
      const first = this.chunks.shift();
      if (first) this.bytes -= first.next - first.offset;
    }
    this.rebuild();
  }

  private rebuild(): void {
    const parts = this.chunks
      .map((chunk) => chunk.text)
      .join("")
      .split("\n");
    this.tail = parts.pop() ?? "";
    this.lines = parts.map(clean);
  }
}

/** One line as a terminal would leave it: escapes gone, and of a progress bar only its last state. */
function clean(line: string): string {
  let text = line.endsWith("\r") ? line.slice(0, -1) : line;
  const back = text.lastIndexOf("\r");
  if (back >= 0) text = text.slice(back + 1);
  return text.includes("\u001b") ? text.replace(kEscapes, "") : text;
}

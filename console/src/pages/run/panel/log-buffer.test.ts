import { describe, expect, it } from "vitest";
import { kKeptBytes, LogBuffer } from "./log-buffer";

const range = (offset: number, text: string) => ({
  offset,
  next_offset: offset + text.length,
  total: offset + text.length,
  text,
});

describe("LogBuffer", () => {
  it("joins lines that were split between ranges", () => {
    const log = new LogBuffer();
    log.append(range(0, "one\ntw"));
    expect(log.view().lines).toEqual(["one", "tw"]);
    log.append(range(6, "o\nthree\n"));
    expect(log.view()).toEqual({ lines: ["one", "two", "three"], start: 0, next: 14 });
  });

  it("leaves out a range that a resumed stream sends again", () => {
    const log = new LogBuffer();
    log.append(range(0, "a\n"));
    log.append(range(0, "a\n"));
    expect(log.view().lines).toEqual(["a"]);
  });

  it("puts earlier text before", () => {
    const log = new LogBuffer();
    log.append(range(4, "c\n"));
    log.prepend(range(0, "a\nb\n"));
    expect(log.view()).toEqual({ lines: ["a", "b", "c"], start: 0, next: 6 });
  });

  it("shows what a terminal would: no escapes, the last state of a progress bar", () => {
    const log = new LogBuffer();
    log.append(range(0, "\u001b[32mok\u001b[0m\r\n10%\r50%\r100%\n\u001b]0;title\u0007x"));
    expect(log.view().lines).toEqual(["ok", "100%", "x"]);
  });

  it("keeps markup as text", () => {
    const log = new LogBuffer();
    log.append(range(0, "<b>&amp;\n"));
    expect(log.view().lines).toEqual(["<b>&amp;"]);
  });

  it("drops the oldest text past its limit", () => {
    const log = new LogBuffer();
    const part = "x".repeat(1024 * 1024 - 1) + "\n";
    for (let i = 0; i < 6; i += 1) log.append(range(i * part.length, part));
    expect(log.view().lines).toHaveLength(kKeptBytes / part.length);
    expect(log.start).toBe(2 * part.length);
  });
});

import { beforeEach, describe, expect, it } from "vitest";
import type { StreamEvent } from "./reducer";
import { EventStream, type Source } from "./stream";

class FakeSource implements Source {
  closed = false;
  private readonly listeners = new Map<string, (event: MessageEvent<string>) => void>();
  constructor(readonly after: string | undefined) {}
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this.listeners.set(type, listener);
  }
  close(): void {
    this.closed = true;
  }
  send(type: string, data: unknown = {}, lastEventId = ""): void {
    this.listeners.get(type)?.({ data: JSON.stringify(data), lastEventId } as MessageEvent<string>);
  }
}

let sources: FakeSource[];
let states: string[];
let batches: StreamEvent[][];
let gaps: number;
let frames: (() => void)[];
let retries: { task: () => void; delay: number }[];
let stream: EventStream;

beforeEach(() => {
  sources = [];
  states = [];
  batches = [];
  gaps = 0;
  frames = [];
  retries = [];
  stream = new EventStream({
    connect: (after) => {
      const source = new FakeSource(after);
      sources.push(source);
      return source;
    },
    onState: (state) => states.push(state),
    onEvents: (events) => batches.push(events),
    onGap: () => (gaps += 1),
    onFailure: () => undefined,
    schedule: (task) => frames.push(task),
    later: (task, delay) => {
      retries.push({ task, delay });
      return () => undefined;
    },
  });
});

const frame = () => frames.splice(0).forEach((task) => task());
const retry = () => retries.splice(0).forEach(({ task }) => task());

describe("EventStream", () => {
  it("gives a burst as one batch a frame", () => {
    for (let id = 1; id <= 3000; id += 1) sources[0]?.send("step", { id }, String(id));
    expect(frames).toHaveLength(1);
    frame();
    expect(batches.map((batch) => batch.length)).toEqual([3000]);
  });

  it("goes on after the last event it saw, and asks to read again", () => {
    sources[0]?.send("open");
    sources[0]?.send("run", {}, "41");
    sources[0]?.send("error");
    expect(sources[0]?.closed).toBe(true);
    retry();
    expect(sources[1]?.after).toBe("41");
    expect(gaps).toBe(0);
    sources[1]?.send("open");
    expect(gaps).toBe(1);
    expect(states).toEqual(["open", "reconnecting", "open"]);
  });

  it("waits longer each time, up to a limit", () => {
    const delays: number[] = [];
    for (let i = 0; i < 6; i += 1) {
      sources.at(-1)?.send("error");
      delays.push(...retries.map((one) => one.delay));
      retry();
    }
    expect(delays).toEqual([300, 600, 1200, 2400, 3000, 3000]);
  });

  it("forgets what waits and reads again after a reset", () => {
    sources[0]?.send("run", {}, "7");
    sources[0]?.send("reset", {}, "900");
    frame();
    expect(batches).toEqual([]);
    expect(gaps).toBe(1);
    sources[0]?.send("error");
    retry();
    expect(sources[1]?.after).toBe("900");
  });

  it("does nothing more once closed", () => {
    sources[0]?.send("run", {}, "1");
    stream.close();
    frame();
    sources[0]?.send("error");
    retry();
    expect(batches).toEqual([]);
    expect(sources).toHaveLength(1);
  });
});

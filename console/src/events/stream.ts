// One connection to /api/v1/events: resumes after the last event it saw, gathers events into one batch
// a frame, and says whether it is connected.
import type { StreamEvent } from "./reducer";

export type StreamState = "connecting" | "open" | "reconnecting";

/** What of EventSource is used; tests give their own. */
export interface Source {
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

export interface StreamOptions {
  /** Opens a connection that continues after event `after`, or from now on. */
  connect: (after: string | undefined) => Source;
  onState: (state: StreamState) => void;
  onEvents: (events: StreamEvent[]) => void;
  /** Everything read before may be old: after `reset`, and after each reconnection. */
  onGap: () => void;
  /** A connection failed; the caller may find out why (a lost session looks the same from here). */
  onFailure: () => void;
  /** Runs `task` soon, once. The page uses the next frame. */
  schedule: (task: () => void) => void;
  /** Runs `task` after `delay` milliseconds and returns the way to call it off. */
  later: (task: () => void, delay: number) => () => void;
}

const kTypes = ["run", "step", "metric"] as const;
const kFirstDelay = 300;
const kLongestDelay = 3000;
// A page in the background draws no frames; past this many events it does not wait for one.
const kMostWaiting = 20_000;

export class EventStream {
  private source: Source | undefined;
  private lastId: string | undefined;
  private waiting: StreamEvent[] = [];
  private scheduled = false;
  private failures = 0;
  private closed = false;
  private cancelRetry: (() => void) | undefined;

  constructor(private readonly options: StreamOptions) {
    this.open();
  }

  /** Ends the connection for good; events that wait are dropped. */
  close(): void {
    this.closed = true;
    this.waiting = [];
    this.cancelRetry?.();
    this.source?.close();
  }

  private open(): void {
    const source = this.options.connect(this.lastId);
    this.source = source;
    source.addEventListener("open", () => {
      if (this.closed) return;
      const again = this.failures > 0;
      this.failures = 0;
      this.options.onState("open");
      if (again) this.options.onGap();
    });
    source.addEventListener("error", () => this.fail(source));
    for (const type of kTypes) {
      source.addEventListener(type, (event) => this.take(type, event));
    }
    source.addEventListener("reset", (event) => {
      this.lastId = event.lastEventId || undefined;
      this.waiting = [];
      this.options.onGap();
    });
  }

  private take(type: StreamEvent["type"], event: MessageEvent<string>): void {
    if (event.lastEventId !== "") this.lastId = event.lastEventId;
    this.waiting.push({ type, data: JSON.parse(event.data) as never });
    if (this.waiting.length >= kMostWaiting) this.flush();
    if (this.scheduled) return;
    this.scheduled = true;
    this.options.schedule(() => {
      this.scheduled = false;
      this.flush();
    });
  }

  private flush(): void {
    if (this.closed || this.waiting.length === 0) return;
    const events = this.waiting;
    this.waiting = [];
    this.options.onEvents(events);
  }

  private fail(source: Source): void {
    if (this.closed || source !== this.source) return;
    source.close();
    this.source = undefined;
    this.options.onState("reconnecting");
    this.options.onFailure();
    const delay = Math.min(kLongestDelay, kFirstDelay * 2 ** this.failures);
    this.failures += 1;
    this.cancelRetry = this.options.later(() => {
      if (!this.closed) this.open();
    }, delay);
  }
}

import { useSyncExternalStore } from "react";

const kTick = 1000;
const listeners = new Set<() => void>();
let now = Date.now() * 1000;
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now() * 1000;
    for (const each of listeners) each();
  }, kTick);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

const never = () => () => undefined;

/** The time in microseconds; moves each second, for every part of the page at once, while `ticking`. */
export function useNow(ticking: boolean): number {
  return useSyncExternalStore(ticking ? subscribe : never, () => {
    // Without the timer the value would be as old as the last tick.
    if (timer === undefined && Date.now() * 1000 - now > kTick * 1000) now = Date.now() * 1000;
    return now;
  });
}

// Follows one rank's log: reads its end, then listens from there; after a lost connection it goes on
// at the byte where it stopped.
import { useEffect, useRef, useState } from "react";
import { client, unwrap } from "../../../api/client";
import type { LogRange } from "../../../api/types";
import { LogBuffer, type LogView } from "./log-buffer";

const kFirstRead = 256 * 1024;
export const kEarlierRead = 256 * 1024;
const kRetry = 1000;

export type LogStatus = "loading" | "following" | "reconnecting" | "ended";

interface Followed {
  view: LogView;
  status: LogStatus;
  problem: string | undefined;
  loadEarlier: () => Promise<void>;
}

interface Place {
  runId: string;
  stepId: string;
  rank: number;
}

const kNothing: LogView = { lines: [], start: 0, next: 0 };

async function read(
  { runId, stepId, rank }: Place,
  offset: number,
  limit: number,
): Promise<LogRange> {
  return unwrap(
    client.GET("/api/v1/runs/{run_id}/steps/{step_id}/logs", {
      params: { path: { run_id: runId, step_id: stepId }, query: { rank, offset, limit } },
    }),
  );
}

/** Give the caller a `key` of the place: a change of rank or step starts again. */
export function useLog(place: Place): Followed {
  const { runId, stepId, rank } = place;
  const buffer = useRef<LogBuffer>(null);
  const [view, setView] = useState<LogView>(kNothing);
  const [status, setStatus] = useState<LogStatus>("loading");
  const [problem, setProblem] = useState<string>();

  useEffect(() => {
    const log = new LogBuffer();
    buffer.current = log;
    let stopped = false;
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let frame = 0;
    const show = () => {
      // Thousands of lines a second are drawn once a frame.
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        setView(log.view());
      });
    };
    const again = (next: () => void) => {
      setStatus("reconnecting");
      timer = setTimeout(next, kRetry);
    };
    const listen = () => {
      const url = `/api/v1/runs/${runId}/steps/${stepId}/logs/stream?rank=${rank}&offset=${log.next}`;
      const opened = new EventSource(url);
      source = opened;
      opened.addEventListener("open", () => setStatus("following"));
      opened.addEventListener("log", (event: MessageEvent<string>) => {
        log.append(JSON.parse(event.data) as LogRange);
        show();
      });
      opened.addEventListener("end", () => {
        opened.close();
        setStatus("ended");
      });
      opened.addEventListener("error", () => {
        opened.close();
        if (!stopped) again(listen);
      });
    };
    const begin = () => {
      read({ runId, stepId, rank }, -kFirstRead, kFirstRead).then(
        (range) => {
          if (stopped) return;
          setProblem(undefined);
          log.append(range);
          setView(log.view());
          listen();
        },
        (error: unknown) => {
          if (stopped) return;
          setProblem(error instanceof Error ? error.message : String(error));
          again(begin);
        },
      );
    };
    begin();
    return () => {
      stopped = true;
      source?.close();
      clearTimeout(timer);
      cancelAnimationFrame(frame);
    };
  }, [runId, stepId, rank]);

  const loadEarlier = async () => {
    const log = buffer.current;
    if (!log || log.start === 0) return;
    const offset = Math.max(0, log.start - kEarlierRead);
    log.prepend(await read(place, offset, log.start - offset));
    setView(log.view());
  };
  return { view, status, problem, loadEarlier };
}

// Times and durations as they are shown everywhere: local, with the exact time on hover.
import { useLanguage } from "../i18n";
import { elapsed, formatDuration, formatExact, formatTime } from "../lib/format";
import { useNow } from "./now";

export function Time({ at }: { at: number }) {
  const language = useLanguage();
  const now = useNow(false);
  return (
    <time dateTime={new Date(at / 1000).toISOString()} title={formatExact(at, language)}>
      {formatTime(at, now, language)}
    </time>
  );
}

/** How long something took, or takes so far: then it moves. */
export function Duration({ of }: { of: { started_at?: number; finished_at?: number } }) {
  const language = useLanguage();
  const ticking = of.started_at !== undefined && of.finished_at === undefined;
  const now = useNow(ticking);
  const length = elapsed(of, now);
  return (
    <span className="number">{length === undefined ? "–" : formatDuration(length, language)}</span>
  );
}

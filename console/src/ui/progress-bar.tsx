import { useTranslation } from "react-i18next";
import { kStepStates } from "../lib/search";

const kFinal = ["succeeded", "failed", "terminated", "cancelled", "skipped"] as const;
// Left to right: what is done well, what went wrong, what is under way, what waits.
const kOrder = [
  "succeeded",
  "skipped",
  "failed",
  "terminated",
  "cancelled",
  "terminating",
  "running",
  "pending",
] as const;

interface ProgressProps {
  counts: Partial<Record<string, number>>;
  cached: number;
}

/** Steps by state as one bar, the number that finished, and how many came from the cache. */
export function ProgressBar({ counts, cached }: ProgressProps) {
  const { t } = useTranslation();
  const total = kStepStates.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  if (total === 0) return <span className="muted">{t("progress.none")}</span>;
  const done = kFinal.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  const parts = kOrder.filter((state) => (counts[state] ?? 0) > 0);
  const detail = parts.map((state) => `${t(`state.${state}`)} ${counts[state] ?? 0}`).join(", ");
  return (
    <div className="progress">
      <div
        className="progress-track"
        role="img"
        aria-label={t("progress.label", { done, total, detail })}
        title={detail}
      >
        {parts.map((state) => (
          <span key={state} className={`bar-${state}`} style={{ flexGrow: counts[state] }} />
        ))}
      </div>
      <span className="progress-text">
        {t("progress.done", { done, total })}
        {cached > 0 && <span className="muted"> · {t("progress.cached", { count: cached })}</span>}
      </span>
    </div>
  );
}

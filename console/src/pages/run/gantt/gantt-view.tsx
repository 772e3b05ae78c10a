// The run's steps on real time: when each waited, ran and ended.
import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";
import type { Step } from "../../../api/types";
import { useLanguage } from "../../../i18n";
import { elapsed, formatDuration } from "../../../lib/format";
import { useNow } from "../../../ui/now";
import { Message } from "../../../ui/page-states";
import { shownState, StateIcon } from "../../../ui/state";
import "./gantt.css";
import { place, scaleOf, type Scale } from "./scale";

interface GanttViewProps {
  steps: readonly Step[];
  selected: string | undefined;
  onOpen: (stepId: string) => void;
}

const kRow = 28;

export default function GanttView({ steps, selected, onOpen }: GanttViewProps) {
  const { t } = useTranslation();
  const language = useLanguage();
  const running = steps.some(
    (step) => step.started_at !== undefined && step.finished_at === undefined,
  );
  const now = useNow(running);
  const rows = useMemo(
    () =>
      steps
        .filter((step) => step.started_at !== undefined)
        .sort((a, b) => (a.started_at ?? 0) - (b.started_at ?? 0) || (a.id < b.id ? -1 : 1)),
    [steps],
  );
  const scale = scaleOf(rows, now);
  const scroller = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => kRow,
    overscan: 12,
  });
  if (!scale) return <Message title={t("gantt.none")} />;
  return (
    <section className="gantt" aria-label={t("gantt.label")} ref={scroller}>
      <div className="gantt-axis" aria-hidden="true">
        <span className="gantt-name" />
        <div className="gantt-track">
          {scale.ticks.map((tick) => (
            <span key={tick} style={{ left: `${place(scale, scale.from + tick)}%` }}>
              {formatDuration(tick, language)}
            </span>
          ))}
        </div>
      </div>
      <div className="gantt-rows" style={{ height: virtual.getTotalSize() }}>
        <Lines scale={scale} />
        {virtual.getVirtualItems().map((item) => {
          const step = rows[item.index];
          return (
            step && (
              <GanttRow
                key={step.id}
                step={step}
                scale={scale}
                now={now}
                top={item.start}
                selected={step.id === selected}
                onOpen={onOpen}
              />
            )
          );
        })}
      </div>
    </section>
  );
}

function Lines({ scale }: { scale: Scale }) {
  return (
    <div className="gantt-lines" aria-hidden="true">
      {scale.ticks.map((tick) => (
        <span key={tick} style={{ left: `${place(scale, scale.from + tick)}%` }} />
      ))}
    </div>
  );
}

interface GanttRowProps {
  step: Step;
  scale: Scale;
  now: number;
  top: number;
  selected: boolean;
  onOpen: (stepId: string) => void;
}

function GanttRow({ step, scale, now, top, selected, onOpen }: GanttRowProps) {
  const { t } = useTranslation();
  const language = useLanguage();
  const state = shownState(step);
  const start = step.started_at ?? scale.from;
  const end = step.finished_at ?? now;
  const left = place(scale, start);
  const length = formatDuration(elapsed(step, now) ?? 0, language);
  return (
    <button
      type="button"
      className={selected ? "gantt-row gantt-selected" : "gantt-row"}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => onOpen(step.id)}
    >
      <span className="gantt-name">
        <StateIcon state={state} size={14} />
        <span className="hidden">{t(`state.${state}`)}</span>
        <span className="ellipsis">{step.name}</span>
      </span>
      <span className="gantt-track">
        <span
          className={`gantt-bar bar-${state}`}
          style={{ left: `${left}%`, width: `${Math.max(0, place(scale, end) - left)}%` }}
        />
        <span
          className={left > 70 ? "gantt-length gantt-before" : "gantt-length"}
          style={left > 70 ? { right: `${100 - left}%` } : { left: `${place(scale, end)}%` }}
        >
          {length}
        </span>
      </span>
    </button>
  );
}

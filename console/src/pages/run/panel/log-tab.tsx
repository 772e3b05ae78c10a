import { useVirtualizer } from "@tanstack/react-virtual";
import { Button, Checkbox } from "antd";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { StepDetail } from "../../../api/types";
import { formatBytes } from "../../../lib/format";
import { Icon } from "../../../ui/icon";
import type { LogView } from "./log-buffer";
import { kEarlierRead, useLog } from "./log-stream";

interface LogTabProps {
  step: StepDetail;
  rank: number;
  onRank: (rank: number) => void;
}

const kWrap = "regatta.log-wrap";
const kLine = 18;
/** One line draws no more than this; the rest is counted. */
const kLongestLine = 4000;

export function LogTab({ step, rank, onRank }: LogTabProps) {
  const { t } = useTranslation();
  if (step.kind === "dag") return <p className="muted">{t("logs.group")}</p>;
  return <RankLog key={`${step.id} ${rank}`} step={step} rank={rank} onRank={onRank} />;
}

function RankLog({ step, rank, onRank }: LogTabProps) {
  const { t } = useTranslation();
  const { view, status, problem, loadEarlier } = useLog({
    runId: step.run_id,
    stepId: step.id,
    rank,
  });
  const [wrap, setWrap] = useState(() => localStorage.getItem(kWrap) !== "no");
  const [follow, setFollow] = useState(true);
  const ranks = Math.max(step.replicas ?? 1, step.ranks.length, 1);
  const over = step.finished_at !== undefined;
  return (
    <>
      <div className="log-tools">
        {ranks > 1 && (
          <label>
            {t("logs.rank")}
            <select value={rank} onChange={(event) => onRank(Number(event.target.value))}>
              {Array.from({ length: ranks }, (_, index) => (
                <option key={index} value={index}>
                  {index}
                </option>
              ))}
            </select>
          </label>
        )}
        <Checkbox
          checked={wrap}
          onChange={(event) => {
            setWrap(event.target.checked);
            localStorage.setItem(kWrap, event.target.checked ? "yes" : "no");
          }}
        >
          {t("logs.wrap")}
        </Checkbox>
        <Checkbox checked={follow} onChange={(event) => setFollow(event.target.checked)}>
          {t("logs.follow")}
        </Checkbox>
        <span className="spacer" />
        <span className="muted" role="status" data-log-status={status}>
          {status === "following" && t("logs.streaming")}
          {status === "reconnecting" && t("logs.reconnecting")}
          {status === "ended" && t("logs.ended")}
        </span>
        <SaveLog step={step} rank={rank} />
      </div>
      {problem !== undefined && <p className="notice">{problem}</p>}
      {view.lines.length === 0 && problem === undefined && status !== "loading" ? (
        <p className="muted log-empty">
          {over
            ? t("logs.empty_final")
            : step.started_at === undefined
              ? t("logs.waiting")
              : t("logs.empty")}
        </p>
      ) : (
        <LogLines
          view={view}
          wrap={wrap}
          follow={follow}
          label={t("logs.label", { rank })}
          onFollow={setFollow}
          loadEarlier={loadEarlier}
        />
      )}
    </>
  );
}

interface LogLinesProps {
  view: LogView;
  wrap: boolean;
  follow: boolean;
  label: string;
  onFollow: (follow: boolean) => void;
  loadEarlier: () => Promise<void>;
}

function LogLines({ view, wrap, follow, label, onFollow, loadEarlier }: LogLinesProps) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const [loading, setLoading] = useState(false);
  const count = view.lines.length;
  // eslint-disable-next-line react-hooks/incompatible-library
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => kLine,
    overscan: 30,
  });
  useEffect(() => {
    virtual.measure();
  }, [wrap, virtual]);
  useLayoutEffect(() => {
    if (follow && count > 0) virtual.scrollToIndex(count - 1, { align: "end" });
  }, [follow, count, virtual, wrap]);
  return (
    <div
      className={wrap ? "log log-wrap" : "log"}
      ref={scroller}
      role="log"
      aria-label={label}
      aria-live="off"
      tabIndex={0}
      // Scrolling back is how people say "stop following"; the end starts it again.
      onWheel={(event) => {
        if (event.deltaY < 0 && follow) onFollow(false);
      }}
      onKeyDown={(event) => {
        if (["PageUp", "ArrowUp", "Home"].includes(event.key)) onFollow(false);
        if (event.key === "End") onFollow(true);
      }}
    >
      {view.start > 0 && (
        <Button
          size="small"
          className="log-earlier"
          loading={loading}
          onClick={() => {
            onFollow(false);
            setLoading(true);
            void loadEarlier().finally(() => setLoading(false));
          }}
        >
          {t("logs.earlier", { size: formatBytes(Math.min(view.start, kEarlierRead)) })}
        </Button>
      )}
      <div className="log-lines" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const line = view.lines[item.index] ?? "";
          return (
            <div
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              className="log-line"
              style={{ transform: `translateY(${item.start}px)` }}
            >
              {line.length > kLongestLine ? line.slice(0, kLongestLine) : line || "\u200b"}
              {line.length > kLongestLine && (
                <span className="muted">
                  {t("logs.cut", { count: line.length - kLongestLine })}
                </span>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

const kPart = 1024 * 1024;

/** Saves the whole log: the API gives ranges, which are put together here. */
function SaveLog({ step, rank }: { step: StepDetail; rank: number }) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const save = async () => {
    const { readWhole } = await import("./save-log");
    const blob = await readWhole(step.run_id, step.id, rank, kPart);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${step.name}-rank${rank}.log`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  return (
    <Button
      size="small"
      type="text"
      icon={<Icon name="download" />}
      aria-label={t("logs.download")}
      title={t("logs.download")}
      loading={busy}
      onClick={() => {
        setBusy(true);
        void save().finally(() => setBusy(false));
      }}
    />
  );
}

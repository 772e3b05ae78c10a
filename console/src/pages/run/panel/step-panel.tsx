// The panel of one step, beside whichever view is open.
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useRef, useState, type CSSProperties } from "react";
import { useTranslation } from "react-i18next";
import { stepQuery } from "../../../api/queries";
import type { StepDetail } from "../../../api/types";
import { kPanelTabs, type PanelTab, type RunSearch } from "../../../lib/search";
import { Icon } from "../../../ui/icon";
import { LoadError, Loading } from "../../../ui/page-states";
import { shownState, StateLabel } from "../../../ui/state";
import { Tabs } from "../../../ui/tabs";
import { Duration } from "../../../ui/time";
import { ArtifactsTab } from "./artifacts-tab";
import { LogTab } from "./log-tab";
import { OverviewTab } from "./overview-tab";
import "./panel.css";
import { WhyTab } from "./why-tab";

const MetricsTab = lazy(() => import("./metrics-tab"));

interface StepPanelProps {
  runId: string;
  stepId: string;
  search: RunSearch;
  onSearch: (change: Partial<RunSearch>) => void;
  onClose: () => void;
}

const kNarrowest = 380;
const kWidest = 1100;
const kStoredWidth = "regatta.panel-width";

function storedWidth(): number {
  const width = Number(localStorage.getItem(kStoredWidth));
  return width >= kNarrowest && width <= kWidest ? width : 560;
}

export function StepPanel({ runId, stepId, search, onSearch, onClose }: StepPanelProps) {
  const { t } = useTranslation();
  const step = useQuery(stepQuery(runId, stepId));
  const [width, setWidth] = useState(storedWidth);
  const heading = useRef<HTMLHeadingElement>(null);
  const loaded = step.data !== undefined;
  // Whoever opened the panel by keyboard goes on inside it.
  useEffect(() => {
    if (loaded) heading.current?.focus({ preventScroll: true });
  }, [loaded]);
  useEffect(() => {
    const close = (event: KeyboardEvent) => {
      // An open dialog or menu takes the key first.
      if (
        event.key === "Escape" &&
        !document.querySelector(".ant-modal-wrap:not([style*='none'])")
      ) {
        onClose();
      }
    };
    window.addEventListener("keydown", close);
    return () => window.removeEventListener("keydown", close);
  }, [onClose]);
  const tab = search.panel ?? "overview";
  const name = step.data?.name ?? "";
  return (
    <aside
      className="panel"
      aria-label={t("panel.label", { name })}
      style={{ "--panel-width": `${width}px` } as CSSProperties}
    >
      <WidthHandle
        width={width}
        onWidth={(next) => {
          setWidth(next);
          localStorage.setItem(kStoredWidth, String(next));
        }}
      />
      <div className="panel-head">
        <h2 ref={heading} tabIndex={-1} className="ellipsis">
          {name}
        </h2>
        {step.data && (
          <>
            <StateLabel state={shownState(step.data)} />
            {step.data.started_at !== undefined && (
              <span className="muted">
                <Duration of={step.data} />
              </span>
            )}
          </>
        )}
        <span className="spacer" />
        <button
          type="button"
          className="icon-button"
          aria-label={t("app.close")}
          title={t("app.close")}
          onClick={onClose}
        >
          <Icon name="close" size={16} />
        </button>
      </div>
      <Tabs
        label={t("panel.tabs")}
        id="step"
        tabs={kPanelTabs.map((key) => ({ key, title: t(`panel.${key}`) }))}
        selected={tab}
        onSelect={(panel) => onSearch({ panel })}
      />
      <div
        className={tab === "logs" ? "panel-body panel-body-log" : "panel-body"}
        role="tabpanel"
        id="step-panel"
        aria-labelledby={`step-tab-${tab}`}
      >
        {step.isPending && <Loading />}
        {step.isError && <LoadError error={step.error} retry={() => void step.refetch()} />}
        {step.data && (
          <Suspense fallback={<Loading />}>
            <PanelTabBody tab={tab} step={step.data} rank={search.rank ?? 0} onSearch={onSearch} />
          </Suspense>
        )}
      </div>
    </aside>
  );
}

interface PanelTabBodyProps {
  tab: PanelTab;
  step: StepDetail;
  rank: number;
  onSearch: (change: Partial<RunSearch>) => void;
}

function PanelTabBody({ tab, step, rank, onSearch }: PanelTabBodyProps) {
  switch (tab) {
    case "overview":
      return <OverviewTab step={step} onRank={(next) => onSearch({ panel: "logs", rank: next })} />;
    case "why":
      return <WhyTab step={step} />;
    case "logs":
      return <LogTab step={step} rank={rank} onRank={(next) => onSearch({ rank: next })} />;
    case "metrics":
      return <MetricsTab step={step} />;
    case "artifacts":
      return <ArtifactsTab step={step} />;
  }
}

function WidthHandle({ width, onWidth }: { width: number; onWidth: (width: number) => void }) {
  const { t } = useTranslation();
  const clamp = (value: number) => Math.round(Math.min(kWidest, Math.max(kNarrowest, value)));
  return (
    <div
      className="panel-handle"
      role="separator"
      aria-orientation="vertical"
      aria-label={t("panel.resize")}
      aria-valuenow={width}
      aria-valuemin={kNarrowest}
      aria-valuemax={kWidest}
      tabIndex={0}
      onKeyDown={(event) => {
        if (event.key === "ArrowLeft") onWidth(clamp(width + 40));
        if (event.key === "ArrowRight") onWidth(clamp(width - 40));
      }}
      onPointerDown={(event) => {
        event.preventDefault();
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
        onWidth(clamp(window.innerWidth - event.clientX));
      }}
    />
  );
}

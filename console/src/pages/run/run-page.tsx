// One run: its steps as a live graph, a table, a timeline; its YAML; and the panel of one step.
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { ApiError } from "../../api/client";
import { kMostSteps, runQuery, stepsQuery } from "../../api/queries";
import type { RunDetail, Step } from "../../api/types";
import { formatValue } from "../../lib/format";
import { kRunTabs, parseRunSearch, type RunSearch } from "../../lib/search";
import { runRoute } from "../../router";
import { LoadError, Loading, Message } from "../../ui/page-states";
import { ProgressBar } from "../../ui/progress-bar";
import { StateLabel } from "../../ui/state";
import { Tabs } from "../../ui/tabs";
import { Duration, Time } from "../../ui/time";
import { useTitle } from "../../ui/title";
import { StepPanel } from "./panel/step-panel";
import "./run.css";
import { StepsView } from "./steps/steps-view";
import { StopButton } from "./stop-button";
import { YamlView } from "./yaml-view";

const GraphView = lazy(() => import("./graph/graph-view"));
const GanttView = lazy(() => import("./gantt/gantt-view"));

export function RunPage() {
  const { t } = useTranslation();
  const { runId } = runRoute.useParams();
  const run = useQuery(runQuery(runId));
  useTitle(run.data?.name ?? t("run.graph"));
  if (run.isPending) return <Loading />;
  if (run.isError) {
    const absent =
      run.error instanceof ApiError && (run.error.status === 404 || run.error.status === 400);
    if (!absent) return <LoadError error={run.error} retry={() => void run.refetch()} />;
    return (
      <Message title={t("run.not_found")}>
        <p className="muted">{run.error.message}</p>
        <Link to="/runs">{t("app.to_runs")}</Link>
      </Message>
    );
  }
  return <LoadedRun run={run.data} />;
}

function LoadedRun({ run }: { run: RunDetail }) {
  const { t } = useTranslation();
  const search = runRoute.useSearch();
  const navigate = useNavigate({ from: "/runs/$runId" });
  const steps = useQuery(stepsQuery(run.id));

  const change = useCallback(
    (next: Partial<RunSearch>, replace = true) =>
      void navigate({ search: (old) => parseRunSearch({ ...old, ...next }), replace }),
    [navigate],
  );
  // Opening a step is a place to come back from; tabs and filters are not.
  const openStep = useCallback(
    (step: string) => change({ step, rank: undefined }, false),
    [change],
  );
  const closeStep = useCallback(() => change({ step: undefined }), [change]);
  const tab = search.tab ?? "graph";
  return (
    <div className="page run-page">
      <RunHeader run={run} steps={steps.data} />
      <div className="run-body">
        <div className="run-main">
          <Tabs
            label={t("run.views")}
            id="view"
            tabs={kRunTabs.map((key) => ({ key, title: t(`run.${key}`) }))}
            selected={tab}
            onSelect={(key) => change({ tab: key })}
          />
          <div
            className="run-view"
            role="tabpanel"
            id="view-panel"
            aria-labelledby={`view-tab-${tab}`}
          >
            {tab === "yaml" ? (
              <YamlView yaml={run.yaml} />
            ) : steps.isPending ? (
              <Loading />
            ) : steps.isError ? (
              <LoadError error={steps.error} retry={() => void steps.refetch()} />
            ) : steps.data.length === 0 ? (
              <Message title={t("run.no_steps")} />
            ) : (
              <Suspense fallback={<Loading />}>
                {steps.data.length >= kMostSteps && (
                  <p className="notice">{t("run.too_many", { count: kMostSteps })}</p>
                )}
                {tab === "graph" && (
                  <GraphView steps={steps.data} selected={search.step} onOpen={openStep} />
                )}
                {tab === "steps" && (
                  <StepsView
                    steps={steps.data}
                    search={search}
                    onSearch={change}
                    onOpen={openStep}
                  />
                )}
                {tab === "gantt" && (
                  <GanttView steps={steps.data} selected={search.step} onOpen={openStep} />
                )}
              </Suspense>
            )}
          </div>
        </div>
        {search.step !== undefined && (
          <StepPanel
            key={search.step}
            runId={run.id}
            stepId={search.step}
            search={search}
            onSearch={change}
            onClose={closeStep}
          />
        )}
      </div>
    </div>
  );
}

/** Steps by state, from the steps themselves: they are newer than the run's own summary. */
function useCounts(run: RunDetail, steps: readonly Step[] | undefined) {
  return useMemo(() => {
    if (!steps || steps.length === 0 || steps.length >= kMostSteps) {
      return { counts: run.step_counts, cached: run.cached_steps };
    }
    const counts: Partial<Record<string, number>> = {};
    let cached = 0;
    for (const step of steps) {
      if (step.kind === "dag") continue;
      counts[step.state] = (counts[step.state] ?? 0) + 1;
      if (step.cached) cached += 1;
    }
    return { counts, cached };
  }, [run.step_counts, run.cached_steps, steps]);
}

function RunHeader({ run, steps }: { run: RunDetail; steps: readonly Step[] | undefined }) {
  const { t } = useTranslation();
  const { counts, cached } = useCounts(run, steps);
  const parameters = Object.entries(run.parameters);
  return (
    <header className="run-head">
      <div className="run-title">
        <Link to="/runs" className="muted">
          {t("app.runs")}
        </Link>
        <span className="muted" aria-hidden="true">
          /
        </span>
        <h1 className="ellipsis">{run.name}</h1>
        <span data-run-state={run.state} role="status">
          <StateLabel state={run.state} />
        </span>
        <span className="spacer" />
        <StopButton run={run} />
      </div>
      <dl className="facts-line">
        <div>
          <dt>{t("run.pipeline")}</dt>
          <dd title={run.source || undefined}>{run.pipeline}</dd>
        </div>
        <div>
          <dt>{run.started_at === undefined ? t("run.created") : t("run.started")}</dt>
          <dd>
            <Time at={run.started_at ?? run.created_at} />
          </dd>
        </div>
        <div>
          <dt>{t("run.duration")}</dt>
          <dd>
            <Duration of={run} />
          </dd>
        </div>
        <div>
          <dt>{t("run.by")}</dt>
          <dd>{run.created_by}</dd>
        </div>
        {parameters.length > 0 && (
          <div>
            <dt>{t("run.parameters")}</dt>
            <dd>{parameters.map(([name, value]) => `${name}=${formatValue(value)}`).join("  ")}</dd>
          </div>
        )}
        <div>
          <dt className="hidden">{t("runs.progress")}</dt>
          <dd>
            <ProgressBar counts={counts} cached={cached} />
          </dd>
        </div>
      </dl>
      {run.message !== "" && (
        <p className={run.state === "failed" ? "notice notice-bad" : "notice"}>{run.message}</p>
      )}
    </header>
  );
}

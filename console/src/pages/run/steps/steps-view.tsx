// The run's steps as a table: every step, also those a closed group of the graph holds.
import { useCallback, useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Step, StepState } from "../../../api/types";
import { formatNumber, formatValue } from "../../../lib/format";
import { kStepStates, type RunSearch } from "../../../lib/search";
import { Grid, type Column } from "../../../ui/grid";
import { Message } from "../../../ui/page-states";
import { shownState, StateLabel } from "../../../ui/state";
import { StateFilter } from "../../../ui/state-filter";
import { TextFilter } from "../../../ui/text-filter";
import { Duration, Time } from "../../../ui/time";
import { latestMetric } from "./latest-metric";

interface StepsViewProps {
  steps: readonly Step[];
  search: RunSearch;
  onSearch: (change: Partial<RunSearch>) => void;
  onOpen: (stepId: string) => void;
}

function useColumns(onOpen: (stepId: string) => void): Column<Step>[] {
  const { t } = useTranslation();
  return useMemo(
    () => [
      {
        key: "step",
        title: t("steps.step"),
        width: "minmax(180px, 2fr)",
        render: (step) => (
          <>
            <button type="button" className="link strong" onClick={() => onOpen(step.id)}>
              {step.name}
            </button>
            {step.loop_argument !== undefined && (
              <span className="muted"> {formatValue(step.loop_argument)}</span>
            )}
          </>
        ),
      },
      {
        key: "state",
        title: t("steps.state"),
        width: "124px",
        render: (step) => <StateLabel state={shownState(step)} />,
      },
      {
        key: "reason",
        title: t("steps.reason"),
        width: "minmax(180px, 3fr)",
        render: (step) => (
          <span className="muted" title={step.reason || undefined}>
            {step.reason}
          </span>
        ),
      },
      {
        key: "started",
        title: t("steps.started"),
        width: "118px",
        render: (step) => step.started_at !== undefined && <Time at={step.started_at} />,
      },
      {
        key: "duration",
        title: t("steps.duration"),
        width: "100px",
        align: "right",
        render: (step) => <Duration of={step} />,
      },
      {
        key: "metric",
        title: t("steps.metric"),
        width: "minmax(110px, 1fr)",
        render: (step) => {
          const metric = latestMetric(step);
          return (
            metric && (
              <span className="number">
                {metric.name} {formatNumber(metric.point.value)}
              </span>
            )
          );
        },
      },
    ],
    [t, onOpen],
  );
}

export function StepsView({ steps, search, onSearch, onOpen }: StepsViewProps) {
  const { t } = useTranslation();
  const columns = useColumns(onOpen);
  const counts = useMemo(() => {
    const sum: Partial<Record<StepState, number>> = {};
    for (const step of steps) sum[step.state] = (sum[step.state] ?? 0) + 1;
    return sum;
  }, [steps]);
  const rows = useMemo(() => {
    const wanted = search.name?.toLowerCase();
    return steps.filter(
      (step) =>
        (!search.state || search.state.includes(step.state)) &&
        (wanted === undefined || step.name.toLowerCase().includes(wanted)),
    );
  }, [steps, search.state, search.name]);
  const changeName = useCallback(
    (name: string) => onSearch({ name: name || undefined }),
    [onSearch],
  );
  return (
    <div className="view-column">
      <div className="toolbar">
        <TextFilter
          label={t("steps.filter_name")}
          value={search.name ?? ""}
          onChange={changeName}
        />
        <StateFilter
          label={t("steps.filter_state")}
          states={kStepStates.filter((state) => counts[state] ?? search.state?.includes(state))}
          selected={search.state ?? []}
          counts={counts}
          onChange={(state) => onSearch({ state })}
        />
      </div>
      <Grid
        label={t("steps.table")}
        columns={columns}
        rows={rows}
        rowKey={(step) => step.id}
        rowHeight={36}
        selected={search.step}
        onOpen={(step) => onOpen(step.id)}
        empty={<Message title={t("run.no_match")} />}
      />
    </div>
  );
}

// All runs: filter, sort and page, all of it in the address.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link, useLocation, useNavigate } from "@tanstack/react-router";
import { Button } from "antd";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import { runsQuery } from "../../api/queries";
import type { Run } from "../../api/types";
import {
  kDefaultPageSize,
  kPageSizes,
  kRunStates,
  parseRunsSearch,
  type RunsSearch,
  type Sort,
} from "../../lib/search";
import { runsRoute } from "../../router";
import { CommandLine } from "../../ui/command-line";
import { Grid, type Column } from "../../ui/grid";
import { Icon } from "../../ui/icon";
import { Loading, LoadError, Message } from "../../ui/page-states";
import { ProgressBar } from "../../ui/progress-bar";
import { StateLabel } from "../../ui/state";
import { StateFilter } from "../../ui/state-filter";
import { TextFilter } from "../../ui/text-filter";
import { Duration, Time } from "../../ui/time";
import { useTitle } from "../../ui/title";

declare module "@tanstack/react-router" {
  interface HistoryState {
    /** Cursors of the pages before this one: cursors only lead forward. */
    trail?: string[];
  }
}

type RunsKey = Sort | "progress" | "created_by";

function useColumns(): Column<Run, RunsKey>[] {
  const { t } = useTranslation();
  return [
    {
      key: "state",
      title: t("runs.state"),
      width: "132px",
      sortable: true,
      render: (run) => <StateLabel state={run.state} />,
    },
    {
      key: "name",
      title: t("runs.name"),
      width: "minmax(200px, 3fr)",
      sortable: true,
      render: (run) => (
        <span className="two-lines">
          <Link to="/runs/$runId" params={{ runId: run.id }} className="strong">
            {run.name}
          </Link>
          <span className="muted" title={run.message || run.source || undefined}>
            {run.message && run.state !== "succeeded" ? run.message : run.pipeline}
          </span>
        </span>
      ),
    },
    {
      key: "progress",
      title: t("runs.progress"),
      width: "minmax(180px, 2fr)",
      render: (run) => <ProgressBar counts={run.step_counts} cached={run.cached_steps} />,
    },
    {
      key: "created_at",
      title: t("runs.started"),
      width: "132px",
      sortable: true,
      render: (run) =>
        run.started_at === undefined ? (
          <span className="muted">{t("runs.not_started")}</span>
        ) : (
          <Time at={run.started_at} />
        ),
    },
    {
      key: "duration",
      title: t("runs.duration"),
      width: "112px",
      align: "right",
      sortable: true,
      render: (run) => <Duration of={run} />,
    },
    {
      key: "created_by",
      title: t("runs.created_by"),
      width: "minmax(96px, 1fr)",
      render: (run) => <span className="ellipsis">{run.created_by}</span>,
    },
  ];
}

export function RunsPage() {
  const { t } = useTranslation();
  useTitle(t("runs.title"));
  const search = runsRoute.useSearch();
  const navigate = useNavigate({ from: "/runs" });
  const query = useQuery({ ...runsQuery(search), placeholderData: keepPreviousData });
  const columns = useColumns();

  // Every change of the filter starts again at the first page.
  const change = useCallback(
    (next: RunsSearch) =>
      void navigate({
        search: (old) => parseRunsSearch({ ...old, cursor: undefined, ...next }),
        replace: true,
      }),
    [navigate],
  );
  const changeName = useCallback((name: string) => change({ name }), [change]);

  const filtered = search.state !== undefined || search.name !== undefined;
  const rows = query.data?.items ?? [];
  const none = query.data && rows.length === 0 && !filtered && !search.cursor;
  return (
    <div className="page">
      <div className="page-head">
        <h1>{t("runs.title")}</h1>
        {query.data && !none && (
          <span className="muted">{t("runs.count", { count: query.data.total })}</span>
        )}
      </div>
      {!none && (
        <div className="toolbar">
          <TextFilter
            label={t("runs.filter_name")}
            value={search.name ?? ""}
            onChange={changeName}
          />
          <StateFilter
            label={t("runs.filter_state")}
            states={kRunStates}
            selected={search.state ?? []}
            onChange={(state) => change({ state })}
          />
        </div>
      )}
      {query.isPending && <Loading />}
      {query.isError && <LoadError error={query.error} retry={() => void query.refetch()} />}
      {none && <NoRuns />}
      {query.data && !none && (
        <>
          <Grid
            label={t("runs.table")}
            columns={columns}
            rows={rows}
            rowKey={(run) => run.id}
            rowHeight={46}
            onOpen={(run) => void navigate({ to: "/runs/$runId", params: { runId: run.id } })}
            sort={{ key: search.sort ?? "created_at", order: search.order ?? "desc" }}
            onSort={(key, order) => change({ sort: key as Sort, order })}
            empty={
              <Message title={t("runs.none_match")}>
                <Button onClick={() => void navigate({ search: {}, replace: true })}>
                  {t("runs.clear")}
                </Button>
              </Message>
            }
          />
          <Pager search={search} next={query.data.next_cursor} />
        </>
      )}
    </div>
  );
}

function NoRuns() {
  const { t } = useTranslation();
  return (
    <Message title={t("runs.empty")}>
      <p>{t("runs.empty_hint")}</p>
      <CommandLine text="regatta run examples/digits/pipeline.yaml" />
      <p className="muted">{t("runs.empty_after")}</p>
    </Message>
  );
}

function Pager({ search, next }: { search: RunsSearch; next: string | undefined }) {
  const { t } = useTranslation();
  const navigate = useNavigate({ from: "/runs" });
  const trail = useLocation({ select: (location) => location.state.trail }) ?? [];
  const go = (cursor: string | undefined, cursors: string[]) =>
    void navigate({
      search: (old) => parseRunsSearch({ ...old, cursor }),
      state: { trail: cursors },
    });
  // An address that was opened afresh has a cursor but no trail: only the first page is known then.
  const known = search.cursor === undefined || trail.length > 0;
  return (
    <div className="pager">
      <label>
        {t("runs.page_size")}
        <select
          value={search.size ?? kDefaultPageSize}
          onChange={(event) =>
            void navigate({
              search: (old) =>
                parseRunsSearch({ ...old, cursor: undefined, size: event.target.value }),
              replace: true,
            })
          }
        >
          {kPageSizes.map((size) => (
            <option key={size} value={size}>
              {size}
            </option>
          ))}
        </select>
      </label>
      <span className="spacer" />
      {known && <span className="muted">{t("runs.page", { page: trail.length + 1 })}</span>}
      <Button
        aria-label={t("runs.first")}
        title={t("runs.first")}
        icon={<Icon name="first" />}
        disabled={search.cursor === undefined}
        onClick={() => go(undefined, [])}
      />
      <Button
        aria-label={t("runs.previous")}
        title={t("runs.previous")}
        icon={<Icon name="left" />}
        disabled={trail.length === 0}
        onClick={() => go(trail.at(-2), trail.slice(0, -1))}
      />
      <Button
        aria-label={t("runs.next")}
        title={t("runs.next")}
        icon={<Icon name="right" />}
        disabled={next === undefined}
        onClick={() => go(next, next === undefined ? trail : [...trail, next])}
      />
    </div>
  );
}

// A step's metrics, one plot each; they grow while the step runs.
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { metricsQuery } from "../../../api/queries";
import type { MetricSeries, StepDetail } from "../../../api/types";
import { formatNumber } from "../../../lib/format";
import { useTheme } from "../../../theme/theme";
import { LoadError, Loading } from "../../../ui/page-states";

const kHeight = 190;

export default function MetricsTab({ step }: { step: StepDetail }) {
  const { t } = useTranslation();
  const query = useQuery(metricsQuery(step.run_id, step.id));
  if (query.isPending) return <Loading />;
  if (query.isError) return <LoadError error={query.error} retry={() => void query.refetch()} />;
  if (query.data.length === 0) {
    return (
      <>
        <p className="muted">
          {t("metrics.none")} {t("metrics.none_hint")}
        </p>
        <pre className="preview">{'regatta.log_metric("loss", 0.25, step=epoch)'}</pre>
      </>
    );
  }
  return query.data.map((series) => <MetricPlot key={series.name} series={series} />);
}

/** Points by step when every point has one, by time otherwise; in rising order, as uPlot needs. */
function dataOf(points: MetricSeries["points"], byStep: boolean): [number[], (number | null)[]] {
  const at = (point: (typeof points)[number]) => (byStep ? (point.step ?? 0) : point.time / 1e6);
  const sorted = [...points].sort((a, b) => at(a) - at(b));
  return [sorted.map(at), sorted.map((point) => point.value)];
}

function MetricPlot({ series }: { series: MetricSeries }) {
  const { t } = useTranslation();
  const { resolved } = useTheme();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const points = useRef(series.points);
  const byStep = series.points.every((point) => point.step !== undefined);

  useEffect(() => {
    points.current = series.points;
    plot.current?.setData(dataOf(series.points, byStep));
  }, [series, byStep]);

  useEffect(() => {
    const host = box.current;
    if (!host) return;
    const style = getComputedStyle(host);
    const color = (name: string) => style.getPropertyValue(name).trim();
    const axis: uPlot.Axis = {
      stroke: color("--text-soft"),
      font: `11px ${style.fontFamily}`,
      grid: { stroke: color("--border"), width: 1 },
      ticks: { show: false },
    };
    const made = new uPlot(
      {
        width: host.clientWidth,
        height: kHeight,
        legend: { show: false },
        cursor: { y: false, drag: { x: true, y: false } },
        scales: { x: { time: !byStep } },
        axes: [
          // Steps are whole numbers: no ticks between them.
          byStep
            ? { ...axis, size: 30, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 1e4, 1e5, 1e6] }
            : { ...axis, size: 30 },
          { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => formatNumber(tick)) },
        ],
        series: [
          {},
          {
            stroke: color("--accent"),
            width: 2,
            points: { show: points.current.length < 40, size: 6 },
            spanGaps: false,
          },
        ],
      },
      dataOf(points.current, byStep),
      host,
    );
    plot.current = made;
    const observer = new ResizeObserver(() =>
      made.setSize({ width: host.clientWidth, height: kHeight }),
    );
    observer.observe(host);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [byStep, resolved]);

  const last = series.points.at(-1);
  return (
    <section className="metric" data-metric={series.name} data-points={series.points.length}>
      <div className="row">
        <h3>{series.name}</h3>
        <span className="muted">{byStep ? t("metrics.by_step") : t("metrics.by_time")}</span>
        <span className="spacer" />
        <span className="muted">
          {t("metrics.points", { count: series.points.length })} · {t("metrics.last")}
        </span>
        <span className="strong number">{last && formatNumber(last.value)}</span>
      </div>
      <div
        ref={box}
        role="img"
        aria-label={`${series.name}: ${t("metrics.last")} ${formatNumber(last?.value)}`}
      />
    </section>
  );
}

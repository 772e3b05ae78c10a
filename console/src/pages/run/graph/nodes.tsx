// How steps and groups look in the graph.
import { Handle, Position, type Node, type NodeProps } from "@xyflow/react";
import { createContext, useContext } from "react";
import { useTranslation } from "react-i18next";
import { formatNumber, formatValue } from "../../../lib/format";
import { Icon } from "../../../ui/icon";
import { shownState, StateIcon, type ShownState } from "../../../ui/state";
import { Duration } from "../../../ui/time";
import { latestMetric } from "../steps/latest-metric";
import type { GroupNode, StepNode } from "./model";

/** What nodes may do; kept out of their data, so that a new function draws no node again. */
export interface GraphActions {
  open: (stepId: string) => void;
  toggle: (groupId: string) => void;
}

export const GraphActionsContext = createContext<GraphActions>({
  open: () => undefined,
  toggle: () => undefined,
});

export type StepFlowNode = Node<{ node: StepNode; selected: boolean }, "step">;
export type GroupFlowNode = Node<{ node: GroupNode; selected: boolean }, "group">;

// A box has little room; the panel shows all digits.
const kMetricDigits = 4;

function Ends() {
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </>
  );
}

export function StepBox({ data }: NodeProps<StepFlowNode>) {
  const { t } = useTranslation();
  const actions = useContext(GraphActionsContext);
  const { step } = data.node;
  const state = shownState(step);
  const metric = latestMetric(step);
  const label = t(`state.${state}`);
  return (
    <button
      type="button"
      className={`step-box box-${state}${data.selected ? " box-selected" : ""}`}
      data-step={step.name}
      data-state={state}
      aria-pressed={data.selected}
      title={step.reason || undefined}
      onClick={() => actions.open(step.id)}
    >
      <Ends />
      <StateIcon state={state} size={18} />
      <span className="two-lines">
        <span className="strong">
          {step.name}
          {step.loop_index !== undefined && step.loop_argument !== undefined && (
            <span className="muted"> {formatValue(step.loop_argument)}</span>
          )}
          {step.replicas !== undefined && step.replicas > 1 && (
            <span className="replicas">×{step.replicas}</span>
          )}
        </span>
        <span className="muted">
          {step.started_at !== undefined && !step.cached ? (
            <>
              <span className="hidden">{label} </span>
              <Duration of={step} />
              {metric && ` · ${metric.name} ${formatNumber(metric.point.value, kMetricDigits)}`}
            </>
          ) : (
            label
          )}
        </span>
      </span>
    </button>
  );
}

const kCountOrder: ShownState[] = [
  "failed",
  "running",
  "terminating",
  "pending",
  "succeeded",
  "cached",
  "skipped",
  "terminated",
  "cancelled",
];

export function GroupBox({ data }: NodeProps<GroupFlowNode>) {
  const { t } = useTranslation();
  const actions = useContext(GraphActionsContext);
  const { node } = data;
  const { step } = node;
  const size =
    node.what === "loop"
      ? t("graph.iterations", { count: node.members })
      : t("graph.steps", { count: node.members });
  const toggle = (
    <button
      type="button"
      className="icon-button"
      aria-expanded={node.open}
      aria-label={t(node.open ? "graph.collapse" : "graph.expand", { name: node.name })}
      onClick={() => actions.toggle(node.id)}
    >
      <Icon name={node.open ? "down" : "right"} />
    </button>
  );
  const name = step ? (
    <button type="button" className="link strong" onClick={() => actions.open(step.id)}>
      {step.name}
    </button>
  ) : (
    <span className="strong">{node.name}</span>
  );
  return (
    <div
      className={`group-box${node.open ? " group-open" : ""}${data.selected ? " box-selected" : ""}`}
      data-group={node.name}
    >
      <Ends />
      <div className="group-head">
        {toggle}
        {node.what === "loop" ? <Icon name="loop" /> : <Icon name="layers" />}
        <span className="ellipsis">{name}</span>
        <span className="muted">{size}</span>
      </div>
      {!node.open && (
        <div className="group-counts">
          {kCountOrder
            .filter((state) => (node.counts[state] ?? 0) > 0)
            .map((state) => (
              <span key={state} title={t(`state.${state}`)}>
                <StateIcon state={state} size={13} /> {node.counts[state]}
              </span>
            ))}
        </div>
      )}
      {node.open && node.hidden > 0 && (
        <span className="group-more muted">{t("graph.more", { count: node.hidden })}</span>
      )}
    </div>
  );
}

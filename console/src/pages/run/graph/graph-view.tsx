// The run's steps as a live graph.
import {
  Background,
  MiniMap,
  Panel,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
} from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { Step } from "../../../api/types";
import { useTheme } from "../../../theme/theme";
import { Icon } from "../../../ui/icon";
import { Message } from "../../../ui/page-states";
import { shownState } from "../../../ui/state";
import "./graph.css";
import { arrange, type Arrangement } from "./layout";
import { buildGraph, type GraphModel } from "./model";
import {
  GraphActionsContext,
  GroupBox,
  StepBox,
  type GroupFlowNode,
  type StepFlowNode,
} from "./nodes";
import { RouteLine } from "./route";

interface GraphViewProps {
  steps: readonly Step[];
  selected: string | undefined;
  onOpen: (stepId: string) => void;
}

const kNodeTypes = { step: StepBox, group: GroupBox };
const kEdgeTypes = { route: RouteLine };
const kMapFrom = 40;

export default function GraphView(props: GraphViewProps) {
  return (
    <ReactFlowProvider>
      <Graph {...props} />
    </ReactFlowProvider>
  );
}

/** The arrangement of the latest shape, and why there is none. */
function useArrangement(model: GraphModel) {
  const [placed, setPlaced] = useState<Arrangement>();
  const [problem, setProblem] = useState<string>();
  const latest = useRef(model);
  useEffect(() => {
    latest.current = model;
  });
  useEffect(() => {
    let current = true;
    arrange(latest.current).then(
      (result) => {
        if (!current) return;
        setPlaced(result);
        setProblem(undefined);
      },
      (error: unknown) => {
        if (current) setProblem(error instanceof Error ? error.message : String(error));
      },
    );
    return () => {
      current = false;
    };
  }, [model.shape]);
  return { placed, problem };
}

function Graph({ steps, selected, onOpen }: GraphViewProps) {
  const { t } = useTranslation();
  const { resolved } = useTheme();
  const flow = useReactFlow();
  const [toggled, setToggled] = useState<ReadonlySet<string>>(new Set());
  const model = useMemo(() => buildGraph(steps, toggled), [steps, toggled]);
  const { placed, problem } = useArrangement(model);

  const actions = useMemo(
    () => ({
      open: onOpen,
      toggle: (id: string) =>
        setToggled((old) => {
          const next = new Set(old);
          if (!next.delete(id)) next.add(id);
          return next;
        }),
    }),
    [onOpen],
  );

  const nodes = useMemo(() => {
    if (!placed) return [];
    const list: (StepFlowNode | GroupFlowNode)[] = [];
    for (const node of model.nodes) {
      const place = placed.nodes.get(node.id);
      // A node that just appeared waits for the next arrangement; so do the members of one.
      if (!place || (node.parent !== undefined && !placed.nodes.has(node.parent))) continue;
      const own = node.step;
      const common = {
        id: node.id,
        position: { x: place.x, y: place.y },
        width: place.width,
        height: place.height,
        ...(node.parent !== undefined && { parentId: node.parent }),
      };
      const isSelected = own !== undefined && own.id === selected;
      if (node.kind === "step") {
        list.push({ ...common, type: "step", data: { node, selected: isSelected } });
      } else {
        list.push({ ...common, type: "group", data: { node, selected: isSelected } });
      }
    }
    return list;
  }, [model, placed, selected]);

  const edges = useMemo(() => {
    const running = new Set(
      model.nodes
        .filter((node) => node.kind === "step" && shownState(node.step) === "running")
        .map((node) => node.id),
    );
    return model.edges.map((edge) => ({
      id: edge.id,
      source: edge.from,
      target: edge.to,
      type: "route" as const,
      data: { points: placed?.edges.get(edge.id) },
      animated: running.has(edge.to),
      ...(edge.loose && { style: { strokeDasharray: "2 4" } }),
    }));
  }, [model, placed]);

  // Shows the whole graph when it is first arranged, and after a group was opened or closed.
  useEffect(() => {
    if (placed) void flow.fitView({ padding: 0.12, maxZoom: 1.1 });
  }, [placed, flow]);

  if (problem !== undefined) return <Message title={t("graph.failed", { problem })} />;
  return (
    <section className="graph" aria-label={t("graph.label")}>
      <GraphActionsContext value={actions}>
        <ReactFlow
          nodes={nodes}
          edges={edges}
          nodeTypes={kNodeTypes}
          edgeTypes={kEdgeTypes}
          colorMode={resolved}
          nodesDraggable={false}
          nodesConnectable={false}
          nodesFocusable={false}
          edgesFocusable={false}
          elementsSelectable={false}
          onlyRenderVisibleElements={nodes.length > 200}
          minZoom={0.05}
          maxZoom={2}
          deleteKeyCode={null}
          proOptions={{ hideAttribution: true }}
        >
          <Background gap={22} size={1} />
          {nodes.length >= kMapFrom && (
            <MiniMap pannable zoomable ariaLabel={t("graph.overview")} nodeStrokeWidth={0} />
          )}
          <Panel position="bottom-left" className="graph-tools">
            <Tool icon="plus" label={t("graph.zoom_in")} act={() => void flow.zoomIn()} />
            <Tool icon="minus" label={t("graph.zoom_out")} act={() => void flow.zoomOut()} />
            <Tool
              icon="fit"
              label={t("graph.fit")}
              act={() => void flow.fitView({ padding: 0.12, maxZoom: 1.1 })}
            />
          </Panel>
          {!placed && (
            <Panel position="top-center" className="muted">
              {t("graph.laying_out", { count: model.nodes.length })}
            </Panel>
          )}
        </ReactFlow>
      </GraphActionsContext>
    </section>
  );
}

function Tool({
  icon,
  label,
  act,
}: {
  icon: "plus" | "minus" | "fit";
  label: string;
  act: () => void;
}) {
  return (
    <button type="button" className="icon-button" aria-label={label} title={label} onClick={act}>
      <Icon name={icon} />
    </button>
  );
}

// The run's steps as a live graph.
import {
  Background,
  MiniMap,
  Panel,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  useStore,
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
import { viewOf, type Box } from "./view";

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

  // Shows the graph when it is arranged, and again when its place is resized (the panel opens), until
  // the reader moves it. Very large graphs are shown whole: their map tells where one is.
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  const moved = useRef(false);
  const latest = useRef({ model, selected });
  useEffect(() => {
    latest.current = { model, selected };
  });
  useEffect(() => {
    moved.current = false;
  }, [placed]);
  useEffect(() => {
    if (!placed || width === 0 || moved.current) return;
    if (latest.current.model.nodes.length >= kMapFrom) {
      void flow.fitView({ padding: 0.12, maxZoom: 1.1 });
      return;
    }
    const all = boundsOf(latest.current.model, placed);
    const focus = focusOf(latest.current.model, placed, latest.current.selected);
    void flow.setViewport(viewOf(all, focus, width, height));
  }, [placed, flow, width, height]);

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
          onMoveStart={(event) => {
            if (event) moved.current = true;
          }}
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

/** What the whole graph covers. */
function boundsOf(model: GraphModel, placed: Arrangement): Box {
  const boxes = model.nodes
    .filter((node) => node.parent === undefined)
    .flatMap((node) => placed.nodes.get(node.id) ?? []);
  const x = Math.min(...boxes.map((box) => box.x));
  const y = Math.min(...boxes.map((box) => box.y));
  return {
    x,
    y,
    width: Math.max(...boxes.map((box) => box.x + box.width)) - x,
    height: Math.max(...boxes.map((box) => box.y + box.height)) - y,
  };
}

/** Where the eye should be: the open step, else what failed, else what runs. */
function focusOf(
  model: GraphModel,
  placed: Arrangement,
  selected: string | undefined,
): Box | undefined {
  const inState = (state: string) => model.nodes.find((node) => node.step?.state === state);
  const node =
    model.nodes.find((one) => selected !== undefined && one.step?.id === selected) ??
    inState("failed") ??
    inState("running");
  if (!node) return undefined;
  const box = placed.nodes.get(node.id);
  let { x = 0, y = 0 } = box ?? {};
  const byId = new Map(model.nodes.map((one) => [one.id, one]));
  for (let parent = node.parent; parent !== undefined; parent = byId.get(parent)?.parent) {
    x += placed.nodes.get(parent)?.x ?? 0;
    y += placed.nodes.get(parent)?.y ?? 0;
  }
  return box && { ...box, x, y };
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

// The states of runs and steps. Each has its own shape besides its colour, so that they can be told
// apart without seeing colours.
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { RunState, StepState } from "../api/types";

/** A step's state as it is shown: a result from the cache is told apart from one that was made now. */
export type ShownState = StepState | RunState | "cached";

export function shownState(step: { state: StepState; cached: boolean }): ShownState {
  return step.cached && (step.state === "succeeded" || step.state === "skipped")
    ? "cached"
    : step.state;
}

const kShapes: Record<ShownState, ReactNode> = {
  pending: <circle cx="8" cy="8" r="5.8" strokeDasharray="2.4 2.16" />,
  running: (
    <>
      <circle cx="8" cy="8" r="5.8" opacity=".25" />
      <path className="spin" d="M8 2.2a5.8 5.8 0 0 1 5.8 5.8" />
    </>
  ),
  succeeded: (
    <>
      <circle className="solid" cx="8" cy="8" r="6.5" />
      <path className="inside" d="M5 8.3l2.1 2.1L11 6.2" />
    </>
  ),
  cached: (
    <>
      <circle cx="8" cy="8" r="5.8" />
      <path className="filled" d="M8.7 4.2L5.5 8.7h2.3l-.5 3.1l3.2-4.5H8.2z" />
    </>
  ),
  failed: (
    <>
      <path className="solid" d="M5.2 1.5h5.6L14.5 5.2v5.6L10.8 14.5H5.2L1.5 10.8V5.2z" />
      <path className="inside" d="M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4" />
    </>
  ),
  terminating: (
    <>
      <circle cx="8" cy="8" r="5.8" strokeDasharray="6 3.11" />
      <path className="filled" d="M6 6h4v4H6z" />
    </>
  ),
  terminated: (
    <>
      <circle cx="8" cy="8" r="5.8" />
      <path className="filled" d="M6 6h4v4H6z" />
    </>
  ),
  cancelled: (
    <>
      <circle cx="8" cy="8" r="5.8" />
      <path d="M4.2 11.8l7.6-7.6" />
    </>
  ),
  skipped: (
    <>
      <path d="M3.5 4.5L8 8l-4.5 3.5zM8.5 4.5L13 8l-4.5 3.5z" />
    </>
  ),
};

/** The icon alone; give the name of the state beside it or as a label. */
export function StateIcon({ state, size = 16 }: { state: ShownState; size?: number }) {
  return (
    <svg
      className={`state-icon state-${state}`}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      aria-hidden="true"
    >
      {kShapes[state]}
    </svg>
  );
}

export function StateLabel({ state }: { state: ShownState }) {
  const { t } = useTranslation();
  return (
    <span className="state-label">
      <StateIcon state={state} />
      <span>{t(`state.${state}`)}</span>
    </span>
  );
}

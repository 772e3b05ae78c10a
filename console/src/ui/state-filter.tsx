import { StateIcon, type ShownState } from "./state";
import { useTranslation } from "react-i18next";

interface StateFilterProps<State extends ShownState> {
  label: string;
  states: readonly State[];
  selected: readonly State[];
  counts?: Partial<Record<State, number>>;
  onChange: (selected: State[]) => void;
}

/** Toggles, one a state; none pressed means all. */
export function StateFilter<State extends ShownState>(props: StateFilterProps<State>) {
  const { t } = useTranslation();
  const toggle = (state: State) =>
    props.selected.includes(state)
      ? props.selected.filter((other) => other !== state)
      : [...props.selected, state];
  return (
    <div className="chips" role="group" aria-label={props.label}>
      {props.states.map((state) => (
        <button
          key={state}
          type="button"
          className="chip"
          aria-pressed={props.selected.includes(state)}
          onClick={() => props.onChange(toggle(state))}
        >
          <StateIcon state={state} size={14} />
          {t(`state.${state}`)}
          {props.counts && <span className="chip-count">{props.counts[state] ?? 0}</span>}
        </button>
      ))}
    </div>
  );
}

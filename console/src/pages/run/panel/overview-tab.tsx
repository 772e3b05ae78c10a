import { useTranslation } from "react-i18next";
import type { Artifact, RankStatus, StepDetail } from "../../../api/types";
import { formatBytes, formatSignal, formatValue } from "../../../lib/format";
import { CopyButton } from "../../../ui/copy-button";
import { StateLabel } from "../../../ui/state";
import { Duration, Time } from "../../../ui/time";
import { Section } from "./section";

interface OverviewTabProps {
  step: StepDetail;
  onRank: (rank: number) => void;
}

export function OverviewTab({ step, onRank }: OverviewTabProps) {
  const { t } = useTranslation();
  const parameters = Object.entries(step.parameters);
  const env = Object.entries(step.env);
  return (
    <>
      {step.reason !== "" && (
        <p className={step.state === "failed" ? "notice notice-bad" : "notice"}>{step.reason}</p>
      )}
      <dl className="facts">
        {step.kind !== "step" && (
          <>
            <dt>{t("panel.kind")}</dt>
            <dd>{t(`panel.${step.kind}`)}</dd>
          </>
        )}
        {step.loop_index !== undefined && (
          <>
            <dt>{t("panel.iteration")}</dt>
            <dd>
              {step.loop_index} <code>{formatValue(step.loop_argument)}</code>
            </dd>
          </>
        )}
        {step.deps.length > 0 && (
          <>
            <dt>{t("panel.waits_for")}</dt>
            <dd>{step.deps.join(", ")}</dd>
          </>
        )}
        {step.started_at !== undefined && (
          <>
            <dt>{t("steps.started")}</dt>
            <dd>
              <Time at={step.started_at} />
            </dd>
          </>
        )}
        {step.attempts > 0 && (
          <>
            <dt>{t("panel.attempts")}</dt>
            <dd>{step.attempts}</dd>
          </>
        )}
        {step.interpreter && (
          <>
            <dt>{t("panel.interpreter")}</dt>
            <dd>{step.interpreter}</dd>
          </>
        )}
      </dl>
      {step.ranks.length > 0 && <Ranks ranks={step.ranks} onRank={onRank} />}
      {step.command !== "" && (
        <Section title={t("panel.command")}>
          <CodeBlock text={step.command} />
        </Section>
      )}
      {step.condition && (
        <Section title={t("panel.condition")}>
          <CodeBlock text={step.condition} />
        </Section>
      )}
      {parameters.length > 0 && (
        <Section title={t("panel.parameters")}>
          <Pairs items={parameters} />
        </Section>
      )}
      {step.inputs.length > 0 && (
        <Section title={t("panel.inputs")}>
          <Artifacts items={step.inputs} />
        </Section>
      )}
      {step.outputs.length > 0 && (
        <Section title={t("panel.outputs")}>
          <Artifacts items={step.outputs} />
        </Section>
      )}
      {env.length > 0 && (
        <details className="section">
          <summary>
            {t("panel.environment")} <span className="muted">{env.length}</span>
          </summary>
          <Pairs items={env} />
        </details>
      )}
    </>
  );
}

function CodeBlock({ text }: { text: string }) {
  return (
    <div className="code-block">
      <pre>{text}</pre>
      <CopyButton text={text} />
    </div>
  );
}

function Pairs({ items }: { items: [string, unknown][] }) {
  return (
    <table className="table">
      <tbody>
        {items.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>
              <code>{formatValue(value)}</code>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Artifacts({ items }: { items: Artifact[] }) {
  const { t } = useTranslation();
  return (
    <table className="table">
      <tbody>
        {items.map((artifact) => (
          <tr key={artifact.name}>
            <th scope="row">{artifact.name}</th>
            <td>
              <code className="path">{artifact.path}</code>
              <span className="muted">
                {artifact.kind === "missing" ? t("panel.missing") : t(`panel.${artifact.kind}`)}
                {artifact.bytes !== undefined && ` · ${formatBytes(artifact.bytes)}`}
                {artifact.from && ` · ${t("panel.from", { from: artifact.from })}`}
              </span>
              {artifact.digest && <code className="muted path">{artifact.digest}</code>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Ranks({ ranks, onRank }: { ranks: RankStatus[]; onRank: (rank: number) => void }) {
  const { t } = useTranslation();
  return (
    <Section title={t("panel.ranks")}>
      <table className="table table-lines">
        <thead>
          <tr>
            <th scope="col">{t("panel.rank")}</th>
            <th scope="col">{t("panel.role")}</th>
            <th scope="col">{t("steps.state")}</th>
            <th scope="col">{t("panel.result")}</th>
            <th scope="col">{t("panel.pid")}</th>
            <th scope="col">{t("steps.duration")}</th>
            <th scope="col">{t("panel.log")}</th>
          </tr>
        </thead>
        <tbody>
          {ranks.map((rank) => (
            <tr key={rank.rank} data-rank={rank.rank}>
              <td>{rank.rank}</td>
              <td>
                {rank.role} {rank.index}
              </td>
              <td>
                <StateLabel state={rank.state} />
              </td>
              <td>
                {rank.signal !== undefined && rank.signal !== 0
                  ? formatSignal(rank.signal)
                  : rank.exit_code !== undefined && t("panel.exit", { code: rank.exit_code })}
                {rank.message && <span className="muted rank-message">{rank.message}</span>}
              </td>
              <td>{rank.pid}</td>
              <td>
                <Duration of={rank} />
              </td>
              <td>
                <button
                  type="button"
                  className="link link-accent"
                  title={t("panel.open_log", { rank: rank.rank })}
                  onClick={() => onRank(rank.rank)}
                >
                  {formatBytes(rank.log_bytes ?? 0)}
                  <span className="hidden">{t("panel.open_log", { rank: rank.rank })}</span>
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

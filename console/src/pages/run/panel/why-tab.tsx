// Why a step ran again, or did not: its cache key part by part beside the nearest earlier run.
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { CacheReport, StepDetail } from "../../../api/types";
import { Icon } from "../../../ui/icon";
import { Section } from "./section";

type Part = CacheReport["parts"][number];

export function WhyTab({ step }: { step: StepDetail }) {
  const { t } = useTranslation();
  const { cache } = step;
  const changed = cache.parts.filter((part) => part.changed);
  const same = cache.parts.filter((part) => !part.changed);
  const compared = cache.parts.some((part) => part.previous !== undefined);
  return (
    <>
      <p className={`outcome outcome-${cache.outcome}`} data-outcome={cache.outcome}>
        {t(`why.${cache.outcome}`)}
      </p>
      {(cache.reason || step.reason) && <p className="notice">{cache.reason || step.reason}</p>}
      {cache.from_run_id && (
        <p>
          {t("why.from_run")}{" "}
          <Link
            to="/runs/$runId"
            params={{ runId: cache.from_run_id }}
            search={cache.from_step_id ? { step: cache.from_step_id } : {}}
          >
            <code>{cache.from_run_id}</code>
          </Link>
        </p>
      )}
      {cache.parts.length === 0 ? (
        <p className="muted">{t("why.no_parts")}</p>
      ) : (
        <>
          <p className="muted">
            {!compared
              ? t("why.first")
              : changed.length > 0
                ? t("why.changed_count", { count: changed.length })
                : t("why.all_same")}
          </p>
          <table className="table table-lines why">
            <thead>
              <tr>
                <th scope="col">{t("why.part")}</th>
                {compared && <th scope="col">{t("why.before")}</th>}
                <th scope="col">{t("why.now")}</th>
              </tr>
            </thead>
            <tbody>
              {[...changed, ...same].map((part) => (
                <PartRow key={part.name} part={part} compared={compared} />
              ))}
            </tbody>
          </table>
        </>
      )}
      {cache.key && (
        <Section title={t("why.key")}>
          <code className="path">{cache.key}</code>
        </Section>
      )}
    </>
  );
}

function PartRow({ part, compared }: { part: Part; compared: boolean }) {
  const { t } = useTranslation();
  const marked = part.changed && compared;
  return (
    <tr className={marked ? "part-changed" : undefined} data-changed={marked}>
      <th scope="row">
        {part.name}
        {marked && (
          <span className="changed-mark">
            <Icon name="right" size={11} />
            {t("why.changed")}
          </span>
        )}
      </th>
      {compared && (
        <td>
          <code>{part.previous ?? "–"}</code>
        </td>
      )}
      <td>
        {compared && !part.changed ? (
          <span className="muted">{t("why.same")}</span>
        ) : (
          <code>{part.value}</code>
        )}
      </td>
    </tr>
  );
}

// What a page shows when it has nothing else to show.
import { Link, useRouter, type ErrorComponentProps } from "@tanstack/react-router";
import { Button } from "antd";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

export function Message({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="message">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function NotFound() {
  const { t } = useTranslation();
  return (
    <Message title={t("app.not_found")}>
      <p className="muted">{t("app.not_found_hint")}</p>
      <Link to="/runs">{t("app.to_runs")}</Link>
    </Message>
  );
}

export function PageCrashed({ error }: ErrorComponentProps) {
  const { t } = useTranslation();
  const router = useRouter();
  return (
    <Message title={t("app.crashed")}>
      <p className="muted">{error instanceof Error ? error.message : String(error)}</p>
      <Button onClick={() => void router.invalidate()}>{t("app.retry")}</Button>
    </Message>
  );
}

/** A part of a page that could not be read. */
export function LoadError({ error, retry }: { error: Error; retry: () => void }) {
  const { t } = useTranslation();
  return (
    <div className="message" role="alert">
      <h2>{t("app.failed_to_load")}</h2>
      <p className="muted">{error.message}</p>
      <Button onClick={retry}>{t("app.retry")}</Button>
    </div>
  );
}

/** A quiet placeholder; it appears only after a moment, so that quick answers do not flicker. */
export function Loading() {
  const { t } = useTranslation();
  return (
    <div className="loading" role="status">
      <span className="spinner" aria-hidden="true" />
      {t("app.loading")}
    </div>
  );
}

import { useTranslation } from "react-i18next";
import { Wordmark } from "../ui/wordmark";

/** Shown when the server does not answer before anything could be read from it. */
export function Unreachable() {
  const { t } = useTranslation();
  return (
    <main className="alone">
      <div className="alone-card" role="status">
        <Wordmark large />
        <h1>{t("app.unreachable")}</h1>
        <p className="muted">{t("app.unreachable_hint")}</p>
      </div>
    </main>
  );
}

import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "./icon";

const kShowFor = 1500;

/** Copies `text`. Outside secure contexts there is no clipboard, and no button. */
export function CopyButton({ text }: { text: string }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), kShowFor);
    return () => clearTimeout(timer);
  }, [copied]);
  if (!("clipboard" in navigator)) return null;
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={copied ? t("app.copied") : t("app.copy")}
      title={copied ? t("app.copied") : t("app.copy")}
      onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
    >
      <Icon name={copied ? "check" : "copy"} />
    </button>
  );
}

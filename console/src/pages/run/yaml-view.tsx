import { useMemo } from "react";
import { CopyButton } from "../../ui/copy-button";

/** The pipeline as it was submitted. */
export function YamlView({ yaml }: { yaml: string }) {
  const lines = useMemo(() => yaml.replace(/\n$/, "").split("\n").length, [yaml]);
  const numbers = useMemo(() => Array.from({ length: lines }, (_, i) => i + 1).join("\n"), [lines]);
  return (
    <div className="yaml">
      <pre aria-hidden="true">{numbers}</pre>
      <pre className="yaml-text">{yaml}</pre>
      <CopyButton text={yaml} />
    </div>
  );
}

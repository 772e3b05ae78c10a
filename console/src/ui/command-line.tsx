import { CopyButton } from "./copy-button";

/** A command to type into a terminal. */
export function CommandLine({ text }: { text: string }) {
  return (
    <div className="command-line">
      <code>{text}</code>
      <CopyButton text={text} />
    </div>
  );
}

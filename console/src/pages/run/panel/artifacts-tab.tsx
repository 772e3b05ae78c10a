import { Button } from "antd";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { artifactUrl } from "../../../api/queries";
import type { Artifact, StepDetail } from "../../../api/types";
import { formatBytes } from "../../../lib/format";
import { Icon } from "../../../ui/icon";
import { isPicture, isText, pictureByName } from "./media";

const kPreview = 64 * 1024;

export function ArtifactsTab({ step }: { step: StepDetail }) {
  const { t } = useTranslation();
  if (step.outputs.length === 0) return <p className="muted">{t("artifacts.none")}</p>;
  const over = step.finished_at !== undefined;
  return step.outputs.map((artifact) => (
    <section key={artifact.name} className="artifact" data-artifact={artifact.name}>
      <div className="artifact-head">
        <Icon
          name={artifact.kind === "folder" ? "folder" : isPicture(artifact) ? "image" : "file"}
        />
        <h3>{artifact.name}</h3>
        <span className="muted">
          {artifact.kind === "missing"
            ? over
              ? t("artifacts.gone")
              : t("artifacts.not_yet")
            : [artifact.media_type, artifact.bytes === undefined ? "" : formatBytes(artifact.bytes)]
                .filter(Boolean)
                .join(" · ")}
        </span>
        <span className="spacer" />
        {artifact.kind === "file" && (
          <DownloadLink
            href={artifactUrl(step.run_id, step.id, artifact.name)}
            file={artifact.path.slice(artifact.path.lastIndexOf("/") + 1)}
          />
        )}
      </div>
      {artifact.kind === "file" && <FilePreview step={step} artifact={artifact} />}
      {artifact.kind === "folder" && <Folder step={step} artifact={artifact} />}
    </section>
  ));
}

function DownloadLink({ href, file }: { href: string; file: string }) {
  const { t } = useTranslation();
  return (
    <a
      className="download"
      href={href}
      download={file}
      aria-label={`${t("artifacts.download")} ${file}`}
    >
      <Icon name="download" /> {t("artifacts.download")}
    </a>
  );
}

function FilePreview({ step, artifact }: { step: StepDetail; artifact: Artifact }) {
  const url = artifactUrl(step.run_id, step.id, artifact.name);
  if (isPicture(artifact)) return <Picture url={url} name={artifact.name} />;
  if (isText(artifact)) return <TextPreview url={url} bytes={artifact.bytes ?? 0} />;
  return null;
}

function Picture({ url, name }: { url: string; name: string }) {
  const { t } = useTranslation();
  const [broken, setBroken] = useState(false);
  if (broken) return <p className="muted">{t("artifacts.broken")}</p>;
  return (
    <a href={url} target="_blank" rel="noreferrer" className="picture">
      <img src={url} alt={t("artifacts.picture", { name })} onError={() => setBroken(true)} />
    </a>
  );
}

function TextPreview({ url, bytes }: { url: string; bytes: number }) {
  const { t } = useTranslation();
  const [text, setText] = useState<string>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    const stop = new AbortController();
    readStart(url, stop.signal).then(setText, (error: unknown) => {
      if (!stop.signal.aborted) setProblem(String(error));
    });
    return () => stop.abort();
  }, [url]);
  if (problem !== undefined) return <p className="muted">{problem}</p>;
  return (
    <>
      <pre className="preview" tabIndex={0}>
        {text}
      </pre>
      {bytes > kPreview && (
        <p className="muted">{t("artifacts.cut", { size: formatBytes(kPreview) })}</p>
      )}
    </>
  );
}

/** The first bytes of a file as text; the rest is not fetched. */
async function readStart(url: string, signal: AbortSignal): Promise<string> {
  const answer = await fetch(url, { signal });
  if (!answer.ok || !answer.body) throw new Error(`${answer.status} ${answer.statusText}`);
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let read = 0;
  while (read < kPreview) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    const part = value.subarray(0, kPreview - read);
    read += part.length;
    text += decoder.decode(part, { stream: true });
  }
  await reader.cancel();
  return text;
}

function Folder({ step, artifact }: { step: StepDetail; artifact: Artifact }) {
  const { t } = useTranslation();
  const [shown, setShown] = useState<string>();
  const files = artifact.files ?? [];
  return (
    <>
      <p className="muted">
        {files.length >= 200
          ? t("artifacts.some_files", { count: files.length })
          : t("artifacts.files", { count: files.length })}
      </p>
      <ul className="files">
        {files.map((file) => {
          const url = artifactUrl(step.run_id, step.id, artifact.name, file);
          return (
            <li key={file}>
              <div className="row">
                <code className="path">{file}</code>
                <span className="spacer" />
                {pictureByName(file) && (
                  <Button
                    size="small"
                    type="text"
                    aria-expanded={shown === file}
                    onClick={() => setShown(shown === file ? undefined : file)}
                  >
                    {shown === file ? t("artifacts.hide") : t("artifacts.preview")}
                  </Button>
                )}
                <DownloadLink href={url} file={file.slice(file.lastIndexOf("/") + 1)} />
              </div>
              {shown === file && <Picture url={url} name={file} />}
            </li>
          );
        })}
      </ul>
    </>
  );
}

// What can be shown in the page. SVG is not a picture here: it can carry script.
import type { Artifact } from "../../../api/types";

const kPictures = ["image/png", "image/jpeg", "image/gif", "image/webp"];

export function isPicture(artifact: Artifact): boolean {
  return artifact.kind === "file" && kPictures.includes(artifact.media_type ?? "");
}

export function isText(artifact: Artifact): boolean {
  const type = artifact.media_type ?? "";
  return type.startsWith("text/") || type === "application/json" || type === "application/yaml";
}

/** Files inside a folder have no known type; their names say enough to offer a preview. */
export function pictureByName(name: string): boolean {
  return /\.(png|jpe?g|gif|webp)$/i.test(name);
}

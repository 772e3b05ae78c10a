// Light or dark: follows the system unless one was chosen. The attribute on <html> is what
// styles/tokens.css reads; antd gets the same choice through its own tokens.
import { theme as antd, type ThemeConfig } from "antd";
import { useSyncExternalStore } from "react";

export type ThemeChoice = "system" | "light" | "dark";

const kStored = "regatta.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function stored(): ThemeChoice {
  const value = localStorage.getItem(kStored);
  return value === "light" || value === "dark" ? value : "system";
}

let choice = stored();

function apply(): void {
  document.documentElement.dataset.theme = resolved();
  for (const listener of listeners) listener();
}

function resolved(): "light" | "dark" {
  if (choice !== "system") return choice;
  return dark.matches ? "dark" : "light";
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Call once, before anything is drawn. */
export function startTheme(): void {
  dark.addEventListener("change", apply);
  apply();
}

export function setTheme(next: ThemeChoice): void {
  choice = next;
  if (next === "system") localStorage.removeItem(kStored);
  else localStorage.setItem(kStored, next);
  apply();
}

/** What was chosen, and what that means now. */
export function useTheme(): { choice: ThemeChoice; resolved: "light" | "dark" } {
  const now = useSyncExternalStore(subscribe, resolved);
  const chosen = useSyncExternalStore(subscribe, () => choice);
  return { choice: chosen, resolved: now };
}

const kFont =
  '-apple-system, BlinkMacSystemFont, "Segoe UI", Inter, Roboto, "Helvetica Neue", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif';

export function antdTheme(which: "light" | "dark"): ThemeConfig {
  return {
    algorithm: which === "dark" ? [antd.darkAlgorithm] : [antd.defaultAlgorithm],
    token: {
      colorPrimary: which === "dark" ? "#5b8df7" : "#2f6fed",
      colorError: which === "dark" ? "#ff6b64" : "#cf2f2f",
      borderRadius: 6,
      fontFamily: kFont,
      fontSize: 13,
      controlHeight: 30,
      wireframe: false,
      motion: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      ...(which === "dark" && {
        colorBgBase: "#101318",
        colorBgContainer: "#161a21",
        colorBgElevated: "#1b2028",
        colorBorder: "#3a424f",
      }),
    },
  };
}

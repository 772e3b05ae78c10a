// Who is logged in. Logging in swaps the one-time code of the address (`/#code=…`) for a cookie that
// scripts cannot read; this module only remembers the answer.
import { useSyncExternalStore } from "react";
import { ApiError, client, onExpired, unwrap } from "../api/client";
import type { Session } from "../api/types";

export type SessionState =
  | { kind: "checking" }
  | { kind: "in"; session: Session }
  /** `problem` is why the code that was given did not work. */
  | { kind: "out"; problem?: string }
  /** The server does not answer. */
  | { kind: "unreachable" };

const kReturnTo = "regatta.return-to";

let state: SessionState = { kind: "checking" };
const listeners = new Set<() => void>();
// Tells this browser's other tabs that one of them has logged in.
const channel = new BroadcastChannel("regatta.session");

function set(next: SessionState): void {
  state = next;
  for (const listener of listeners) listener();
}

export function useSession(): SessionState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}

/** Takes the code out of the address and out of the browser's history. */
function takeCode(): string | undefined {
  const code = codeIn(location.hash);
  if (code) history.replaceState(history.state, "", location.pathname + location.search);
  return code;
}

/** The code in an address, in its fragment, or given bare. */
export function codeIn(text: string): string | undefined {
  const trimmed = text.trim();
  const named = /[#&]code=([^&\s]+)/.exec(trimmed);
  if (named?.[1]) return decodeURIComponent(named[1]);
  return /^[\w.~-]{8,128}$/.test(trimmed) ? trimmed : undefined;
}

/** Logs in with a code. Goes back to the page on which an earlier session of this tab ended. */
export async function logIn(code: string): Promise<void> {
  try {
    const session = await unwrap(client.POST("/api/v1/session", { body: { code } }));
    const returnTo = sessionStorage.getItem(kReturnTo);
    sessionStorage.removeItem(kReturnTo);
    if (returnTo?.startsWith("/") && !returnTo.startsWith("//") && location.pathname === "/") {
      history.replaceState(null, "", returnTo);
    }
    set({ kind: "in", session });
    channel.postMessage("in");
  } catch (error) {
    if (error instanceof ApiError && error.status === 0) set({ kind: "unreachable" });
    else set({ kind: "out", problem: error instanceof Error ? error.message : String(error) });
  }
}

/** Asks the server who we are. */
export async function checkSession(): Promise<void> {
  try {
    const session = await unwrap(client.GET("/api/v1/session"));
    if (state.kind !== "in" || state.session.user !== session.user) set({ kind: "in", session });
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return; // onExpired has told.
    // A page that is open stays: the event stream shows that it reconnects.
    if (state.kind !== "in") set({ kind: "unreachable" });
  }
}

export async function logOut(): Promise<void> {
  await unwrap(client.DELETE("/api/v1/session"));
  sessionStorage.removeItem(kReturnTo);
  set({ kind: "out" });
}

/** Call once, before anything is drawn. */
export async function startSession(): Promise<void> {
  onExpired(() => {
    if (state.kind === "out") return;
    if (location.pathname !== "/") {
      sessionStorage.setItem(kReturnTo, location.pathname + location.search);
    }
    set({ kind: "out" });
  });
  channel.addEventListener("message", () => void checkSession());
  window.addEventListener("hashchange", () => {
    const code = takeCode();
    if (code) void logIn(code);
  });
  const code = takeCode();
  if (code) await logIn(code);
  else await checkSession();
}

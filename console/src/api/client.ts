// The one HTTP client. Types come from docs/openapi.yaml; errors become ApiError.
import createClient from "openapi-fetch";
import type { paths } from "./schema";

/** What a call that did not succeed throws. `status` is 0 when no answer came at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export const client = createClient<paths>({
  querySerializer: { array: { style: "form", explode: false } },
});

type Listener = () => void;
const expired = new Set<Listener>();

/** Calls `listener` whenever an answer says that nobody is logged in. Returns the way to stop. */
export function onExpired(listener: Listener): () => void {
  expired.add(listener);
  return () => expired.delete(listener);
}

function bodyOf(error: unknown): { code: string; message: string } | undefined {
  if (typeof error !== "object" || error === null || !("error" in error)) return undefined;
  const inner: unknown = error.error;
  if (typeof inner !== "object" || inner === null) return undefined;
  const { code, message } = inner as Record<string, unknown>;
  return {
    code: typeof code === "string" ? code : "unknown",
    message: typeof message === "string" ? message : "",
  };
}

/** Waits for a call of `client` and gives its data, or throws ApiError. */
export async function unwrap<T>(
  call: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  let answer;
  try {
    answer = await call;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unavailable", error instanceof Error ? error.message : String(error));
  }
  if (answer.response.ok) return answer.data as T;
  const body = bodyOf(answer.error);
  if (answer.response.status === 401) for (const listener of expired) listener();
  throw new ApiError(
    answer.response.status,
    body?.code ?? "unknown",
    body?.message ?? `${answer.response.status} ${answer.response.statusText}`,
  );
}

/** A fresh value for the Idempotency-Key header. Works outside secure contexts too. */
export function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

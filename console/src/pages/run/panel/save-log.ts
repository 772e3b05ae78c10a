import { client, unwrap } from "../../../api/client";

/** Reads a whole log in parts of `part` bytes. */
export async function readWhole(
  runId: string,
  stepId: string,
  rank: number,
  part: number,
): Promise<Blob> {
  const texts: string[] = [];
  let offset = 0;
  for (;;) {
    const range = await unwrap(
      client.GET("/api/v1/runs/{run_id}/steps/{step_id}/logs", {
        params: {
          path: { run_id: runId, step_id: stepId },
          query: { rank, offset, limit: part },
        },
      }),
    );
    texts.push(range.text);
    if (range.next_offset <= offset || range.next_offset >= range.total) break;
    offset = range.next_offset;
  }
  return new Blob(texts, { type: "text/plain" });
}

// Events that arrived while an answer was under way. An answer may be older than an event that overtook
// it; applying these batches to it again keeps the newer state.
import type { Batch } from "./reducer";

const kKept = 500;

export class RecentBatches {
  private batches: { sequence: number; batch: Batch }[] = [];
  private sequence = 0;

  /** The place to give to `since` later. Take it before asking the server. */
  mark(): number {
    return this.sequence;
  }

  add(batch: Batch): void {
    this.sequence += 1;
    this.batches.push({ sequence: this.sequence, batch });
    if (this.batches.length > kKept) this.batches.splice(0, this.batches.length - kKept);
  }

  /** Batches added after `mark`, oldest first. */
  since(mark: number): Batch[] {
    return this.batches.filter((one) => one.sequence > mark).map((one) => one.batch);
  }
}

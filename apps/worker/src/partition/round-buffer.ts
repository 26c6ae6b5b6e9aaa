/** Batches that were pulled from the queue and wait for the append before them: the next round forms here. */
import { decodeRequestBatch, type OriginatedRequest, type QueuedBatch } from "@carillon/bus";

/** Bytes of a log record, with what numbering adds to each request. */
const ROUND_BYTES = 740 * 1024;
const ADDED_BYTES = 200;

/** A batch as it waits; what `facts` know is being asked for meanwhile. */
export interface PulledBatch<F> {
  queued: QueuedBatch;
  requests: OriginatedRequest[];
  facts: F;
}

export class RoundBuffer<F> {
  private waiting: PulledBatch<F>[] = [];
  private wake: (() => void) | undefined;

  /** @throws Error when the batch cannot be read */
  add(queued: QueuedBatch, prepare: (requests: OriginatedRequest[]) => F): void {
    const requests = decodeRequestBatch(queued.data, queued.seq);
    this.waiting.push({ queued, requests, facts: prepare(requests) });
    this.wake?.();
  }

  /** Forgets what waits: it will be handed out again. */
  clear(): void {
    this.waiting = [];
  }

  /** Resolves when something waits, or when released. */
  async ready(): Promise<void> {
    if (this.waiting.length > 0) return;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    this.wake = undefined;
  }

  /** Ends a wait in ready(). */
  release(): void {
    this.wake?.();
  }

  /** Whole batches, in order, at most `most` and as many as one log record can hold; at least one if any waits. */
  takeRound(most = Number.POSITIVE_INFINITY): PulledBatch<F>[] {
    let bytes = 0;
    let count = 0;
    for (const { queued, requests } of this.waiting) {
      if (count === most) break;
      bytes += queued.data.length + requests.length * ADDED_BYTES;
      if (bytes > ROUND_BYTES && count > 0) break;
      count++;
    }
    return this.waiting.splice(0, count);
  }
}

/**
 * Work that one of all apis does at a time, again and again. A lease decides which; two at once would do no harm. Failed work is
 * tried again the next time.
 */
import { sleep } from "@carillon/base";
import type { Lease } from "@carillon/coordination";

export interface LeaseJobOptions {
  lease: Pick<Lease, "acquire">;
  /** From the end of one time to the beginning of the next, ms; and before the first. */
  everyMs: number;
  firstMs?: number;
  /** Goes on where it stopped; looks at the signal between two steps. */
  work(signal: AbortSignal): Promise<void>;
  onFailure(error: Error): void;
}

export class LeaseJob {
  private readonly stopping = new AbortController();
  private pause = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly options: LeaseJobOptions) {}

  start(): void {
    this.running = this.run();
  }

  /** Begins the work now. */
  wake(): void {
    this.pause.abort();
  }

  /** Finishes the step under way. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.pause.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { lease, everyMs, firstMs = everyMs, work, onFailure } = this.options;
    const { signal } = this.stopping;
    for (let waitMs = firstMs; ; waitMs = everyMs) {
      await sleep(waitMs, this.pause.signal);
      if (signal.aborted) return;
      this.pause = new AbortController();
      await lease
        .acquire()
        .then((isOurs) => (isOurs ? work(signal) : undefined))
        .catch(onFailure);
    }
  }
}

/** Work that is asked for more often than it needs to be done: one run serves all requests that came before it. */
import { sleep } from "./backoff";

export class PacedJob {
  private wanted = false;
  private running = false;
  private readonly stopping = new AbortController();

  /**
   * @param work is repeated when it rejects
   * @param everyMs least time from the end of one run to the beginning of the next
   */
  constructor(
    private readonly work: () => Promise<void>,
    private readonly everyMs: number,
    private readonly onFailure: (error: Error) => void,
  ) {}

  /** The work begins now, or when the run that is under way has ended. */
  request(): void {
    this.wanted = true;
    if (!this.running) void this.run();
  }

  stop(): void {
    this.stopping.abort();
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.wanted && !this.stopping.signal.aborted) {
      this.wanted = false;
      await this.work().catch((error: Error) => {
        this.onFailure(error);
        this.wanted = true;
      });
      await sleep(this.everyMs, this.stopping.signal);
    }
    this.running = false;
  }
}

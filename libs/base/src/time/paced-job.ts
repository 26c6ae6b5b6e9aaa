/** Work that is requested more often than it has to run: one run serves all requests that came before it. */
import { sleep } from "./backoff";

export class PacedJob {
  private wanted = false;
  private running = false;
  private readonly stopping = new AbortController();

  /**
   * @param work the work; it is repeated when it rejects
   * @param everyMs minimum time from the end of one run to the beginning of the next, ms
   */
  constructor(
    private readonly work: () => Promise<void>,
    private readonly everyMs: number,
    private readonly onFailure: (error: Error) => void,
  ) {}

  /** Requests a run, which begins now or after the present run has ended. */
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

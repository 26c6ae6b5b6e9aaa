import { Backoff } from "@carillon/base";

/** Something that can be started, stopped and watched: a store or a Carillon process. */
export interface Unit {
  readonly name: string;
  readonly pid: number | undefined;
  start(): Promise<void>;
  stop(): Promise<void>;
  onUnexpectedExit(listener: (reason: string) => void): () => void;
}

/** After this uptime, ms, a unit counts as stable: the next restart after a death is fast again. */
const STEADY_MS = 10_000;

/**
 * Keeps one unit running: when it ends unasked, the keeper starts it again, after 0.2 s at first and up to 10 s when it keeps
 * dying.
 *
 * Edge case: `stop` may come while a restart waits or is in progress. It cuts the wait off, and a start in progress ends because
 * the unit is stopped under it.
 */
export class Keeper {
  private readonly backoff = new Backoff({ first: 200, most: 10_000 });
  private wanted = false;
  private startedAt = 0;
  private restarting: Promise<void> | undefined;
  private wake: () => void = () => {};

  constructor(
    readonly unit: Unit,
    private readonly say: (line: string) => void,
    private readonly onStarted: () => void,
  ) {
    unit.onUnexpectedExit((reason) => {
      if (this.wanted) {
        say(`${unit.name} died (${reason})`);
        this.restarting ??= this.bringBack().finally(() => {
          this.restarting = undefined;
        });
      }
    });
  }

  /** Starts the unit; the caller handles a failure of the first start. */
  async start(): Promise<void> {
    this.wanted = true;
    await this.unit.start();
    this.noteStarted();
  }

  /** Keeps a unit from now on that other code has started. */
  adopt(): void {
    this.wanted = true;
    this.noteStarted();
  }

  /** Stops the unit, and any attempt to restart it. */
  async stop(): Promise<void> {
    this.wanted = false;
    this.wake();
    await this.unit.stop();
    await this.restarting;
  }

  /** Stops the unit and starts it again; repeats until that succeeds. */
  async restart(): Promise<void> {
    await this.stop();
    this.wanted = true;
    try {
      await this.start();
    } catch (error) {
      this.say((error as Error).message);
      this.restarting ??= this.bringBack().finally(() => {
        this.restarting = undefined;
      });
    }
  }

  private noteStarted(): void {
    this.startedAt = performance.now();
    this.onStarted();
  }

  private async bringBack(): Promise<void> {
    if (performance.now() - this.startedAt > STEADY_MS) {
      this.backoff.reset();
    }
    while (this.wanted) {
      const delay = this.backoff.next();
      this.say(`${this.unit.name} starts again in ${delay / 1000} s`);
      await this.pause(delay);
      if (!this.wanted) {
        return;
      }
      try {
        await this.unit.start();
        this.say(`${this.unit.name} runs again (pid ${this.unit.pid})`);
        this.noteStarted();
        return;
      } catch (error) {
        if (this.wanted) {
          this.say((error as Error).message);
        }
      }
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

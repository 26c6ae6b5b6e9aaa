/**
 * The locks of one tab: one that says that it is there, and goes with it however it ends; and the one that all tabs want, whose
 * holder has the engine.
 */
import type { Locks } from "./platform";

export interface TabLocksOptions {
  /** Aborted when the tab waits for nothing any more. */
  closing: AbortSignal;
  /** The tab's own lock is held: from now on others may look whether it is there. */
  onPresent(): void;
  /** Another tab has the common lock. */
  onTaken(): void;
  /** This tab has the common lock. */
  onHeld(): void;
  /** Another tab has taken it by force. */
  onLost(): Promise<void>;
}

export class TabLocks {
  #let: () => void = () => {};
  /** When this tab lets go of all. */
  readonly #released = new Promise<void>((resolve) => {
    this.#let = resolve;
  });

  /** @param name of the common lock */
  constructor(
    private readonly name: string,
    private readonly tab: string,
    private readonly locks: Locks,
    private readonly options: TabLocksOptions,
  ) {}

  start(): void {
    // Whoever finds this one free takes the tab for gone: nobody is to look before it is held.
    void this.locks.request(this.#nameOf(this.tab), {}, () => {
      this.options.onPresent();
      return this.#released;
    });
    void this.#wait();
  }

  /** Takes the common lock from whoever holds it. */
  seize(): void {
    this.#hold({ steal: true }).catch(() => {});
  }

  whenGone(tab: string, then: () => void): void {
    this.locks.request(this.#nameOf(tab), { signal: this.options.closing }, async () => then()).catch(() => {});
  }

  release(): void {
    this.#let();
  }

  /** Waits as long as this tab lives, also behind one that has taken the lock by force. */
  async #wait(): Promise<void> {
    const { closing, onHeld } = this.options;
    try {
      await this.#hold({ ifAvailable: true });
      while (!closing.aborted) await this.#hold({ signal: closing });
    } catch {
      // A page of no origin may not use locks: as where there are none.
      onHeld();
    }
  }

  async #hold(options: Parameters<Locks["request"]>[1]): Promise<void> {
    const { onTaken, onHeld, onLost } = this.options;
    try {
      await this.locks.request(this.name, options, async (lock) => {
        if (lock === null) return onTaken();
        onHeld();
        return this.#released;
      });
    } catch (error) {
      if ((error as Error).name !== "AbortError") throw error;
      await onLost();
    }
  }

  #nameOf(tab: string): string {
    return `${this.name} ${tab}`;
  }
}

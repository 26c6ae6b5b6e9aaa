/**
 * The two locks of a tab. Its own lock shows that the tab exists, and goes with it however the tab ends. All tabs want the common
 * lock; its holder has the engine.
 */

import type { Event, ReadPayload, SendPayload, SentPayload } from "@carillon/protocol";
import type { CoreEvents } from "../../core";
import type { Locks } from "./platform";

export interface TabLocksOptions {
  /** Aborted when the tab stops waiting for locks. */
  closing: AbortSignal;
  /** This tab holds its own lock: from now on other tabs may look whether this tab exists. */
  onPresent(): void;
  /** Another tab has the common lock. */
  onTaken(): void;
  /** This tab has the common lock. */
  onHeld(): void;
  /** Another tab has taken the common lock by force. */
  onLost(): Promise<void>;
}

export class TabLocks {
  #let: () => void = () => {};
  /** Resolves when this tab lets go of all its locks. */
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
    // Another tab that finds this lock free takes this tab for gone. So no tab may look before this tab holds it.
    void this.locks.request(this.#nameOf(this.tab), {}, () => {
      this.options.onPresent();
      return this.#released;
    });
    void this.#wait();
  }

  /** Takes the common lock from the tab that holds it. */
  seize(): void {
    this.#hold({ steal: true }).catch(() => {});
  }

  whenGone(tab: string, then: () => void): void {
    this.locks.request(this.#nameOf(tab), { signal: this.options.closing }, async () => then()).catch(() => {});
  }

  release(): void {
    this.#let();
  }

  /** Waits for the common lock as long as this tab lives, also after another tab has taken it by force. */
  async #wait(): Promise<void> {
    const { closing, onHeld } = this.options;
    try {
      await this.#hold({ ifAvailable: true });
      while (!closing.aborted) await this.#hold({ signal: closing });
    } catch {
      // A page without an origin may not use locks: this tab then works as in a browser without locks.
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

/** The state that a tab has heard from the tab with the engine; the client can read it at any time. */

/** The number of newest shown events that a tab remembers: the next engine may tell them again. */
const MOST_SHOWN = 2_000;

export class TabMemory {
  /** Marks that the server does not have yet. */
  marks: ReadPayload[] = [];
  readonly #waiting = new Map<string, SendPayload>();
  /** The events that were shown, with a promise that resolves when their listeners are done. */
  readonly #shown = new Map<string, Promise<unknown> | undefined>();

  /** Messages that have no answer yet. */
  get unsent(): SendPayload[] {
    return [...this.#waiting.values()];
  }

  note(name: keyof CoreEvents, value: unknown): void {
    const waiting = this.#waiting;
    switch (name) {
      case "marks":
        this.marks = value as ReadPayload[];
        return;
      case "outbox":
        waiting.clear();
        for (const message of value as SendPayload[]) waiting.set(message.clientMsgId, message);
        return;
      case "sending":
        return void waiting.set((value as SendPayload).clientMsgId, value as SendPayload);
      case "sent":
        return void waiting.delete((value as SentPayload).clientMsgId);
      case "failed":
        return void waiting.delete((value as CoreEvents["failed"]).message.clientMsgId);
      case "redated": {
        const { from, to } = value as CoreEvents["redated"];
        const message = waiting.get(from);
        if (message !== undefined && waiting.delete(from)) waiting.set(to, { ...message, clientMsgId: to });
      }
    }
  }

  /** Shows an event unless the tab has shown it before. @returns a promise that resolves when its listeners are done */
  once({ conversationId, seq }: Event, show: () => Promise<unknown> | undefined): Promise<unknown> | undefined {
    const shown = this.#shown;
    const key = `${conversationId} ${seq}`;
    if (!shown.has(key)) shown.set(key, show());
    const [first] = shown.keys();
    if (shown.size > MOST_SHOWN) shown.delete(first as string);
    return shown.get(key);
  }
}

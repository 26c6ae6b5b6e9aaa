/**
 * The locks of one tab: one that says that it is there, and goes with it however it ends; and the one that all tabs want, whose
 * holder has the engine.
 */

import type { Event, ReadPayload, SendPayload, SentPayload } from "@carillon/protocol";
import type { CoreEvents } from "../../core";
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

/** What a tab was told by the one that has the engine, and is asked for at any time. */

/** Events that were shown last: the next engine may tell them again. */
const MOST_SHOWN = 2_000;

export class TabMemory {
  /** Marks that the server does not have yet. */
  marks: ReadPayload[] = [];
  readonly #waiting = new Map<string, SendPayload>();
  /** What was shown, and when its listeners are done with it. */
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

  /** Shows an event, unless that was done before. @returns when its listeners are done with it */
  once({ conversationId, seq }: Event, show: () => Promise<unknown> | undefined): Promise<unknown> | undefined {
    const shown = this.#shown;
    const key = `${conversationId} ${seq}`;
    if (!shown.has(key)) shown.set(key, show());
    const [first] = shown.keys();
    if (shown.size > MOST_SHOWN) shown.delete(first as string);
    return shown.get(key);
  }
}

/** What a tab was told by the one that has the engine, and is asked for at any time. */
import type { Event, ReadPayload, SendPayload, SentPayload } from "@carillon/protocol";
import type { CoreEvents } from "../../core";

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

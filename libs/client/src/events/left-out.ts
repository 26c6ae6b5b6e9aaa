/** Reports entries of a payload that this client cannot read and leaves out; the app hears of each once. */
import type { Lenient } from "@carillon/protocol";
import type { Tell } from "../core";
import { UnreadableEntry } from "./events";

/** The number of reported entries that the client remembers. */
const MOST = 1_000;

export class LeftOut {
  readonly #known = new Set<string>();

  constructor(private readonly events: Pick<Tell, "fail">) {}

  /** Reports the unreadable entries of a payload. @returns the payload */
  told<Payload extends object>(payload: Lenient<Payload>): Payload {
    for (const entry of payload.unreadable ?? []) {
      const name = `${entry.list} ${entry.id} ${entry.seq}`;
      if (this.#known.has(name)) continue;
      if (this.#known.size >= MOST) this.#known.clear();
      this.#known.add(name);
      this.events.fail(new UnreadableEntry(entry));
    }
    return payload;
  }
}

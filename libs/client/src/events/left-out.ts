/** Tells the app, once each, of entries that were left out of a payload because this client cannot read them. */
import type { Lenient } from "@carillon/protocol";
import type { Tell } from "../core";
import { UnreadableEntry } from "./events";

/** Entries are remembered up to here, so that each is told once. */
const MOST = 1_000;

export class LeftOut {
  readonly #known = new Set<string>();

  constructor(private readonly events: Pick<Tell, "fail">) {}

  /** @returns the payload, of whose missing entries the app was told */
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

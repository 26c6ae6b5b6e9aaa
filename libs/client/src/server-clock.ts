/**
 * The server's clock, as told at CONNECT: ids of messages are dated by it, whatever this device thinks the time is. Before
 * that, by what an earlier life of this device knew of it.
 */
import { uuidv7 } from "@carillon/base";
import { uuidv7Time } from "@carillon/protocol";
import { type ClientStorage, readJson } from "./storage/storage";

const KEY = "clock";
/** A difference that is not worth being stored, ms. */
const SAME_MS = 1_000;
/** The server refuses ids that are dated so far ahead of its own clock, ms; half of that. */
const AHEAD_MS = 5_000;

export class ServerClock {
  /** The server's time at 0 of the monotonic clock; undefined before it was told. */
  #origin: number | undefined;
  /** The server's time minus this device's, of an earlier life, ms. */
  #offset = 0;

  constructor(private readonly storage: ClientStorage) {}

  /** Takes over what an earlier life of this device knew. */
  async restore(): Promise<void> {
    const stored = await readJson<number>(this.storage, KEY);
    if (typeof stored === "number") this.#offset = stored;
  }

  /** @param serverTime ms since the Unix epoch, read from an answer that came just now */
  adjust(serverTime: number): void {
    this.#origin = serverTime - performance.now();
    const offset = Math.round(serverTime - Date.now());
    if (Math.abs(offset - this.#offset) < SAME_MS) return;
    this.#offset = offset;
    // A clock that could not be stored is told anew at the next CONNECT.
    this.storage.set(KEY, JSON.stringify(offset)).catch(() => {});
  }

  /** ms since the Unix epoch. */
  now(): number {
    return this.#origin === undefined ? Date.now() + this.#offset : Math.floor(this.#origin + performance.now());
  }

  /**
   * @returns another id for a message whose own is dated by a wrong clock, and would be refused; undefined when it is good, or
   *   the server has not told its time
   */
  redate(clientMsgId: string): string | undefined {
    if (this.#origin === undefined) return undefined;
    const now = this.now();
    return uuidv7Time(clientMsgId) > now + AHEAD_MS ? uuidv7(now) : undefined;
  }
}

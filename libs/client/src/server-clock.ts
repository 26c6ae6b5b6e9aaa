/**
 * The server's clock, as CONNECTED tells it. It dates ids of messages, whatever time the clock of this device shows. Before the
 * first CONNECTED, the difference that an earlier run of the app stored dates them.
 */
import { uuidv7 } from "@carillon/base";
import { uuidv7Time } from "@carillon/protocol";
import { type ClientStorage, readJson } from "./storage/storage";

const KEY = "clock";
/** The storage need not record a smaller change of the difference, ms. */
const SAME_MS = 1_000;
/** Half of the time by which an id may be ahead of the server's clock before the server refuses it, ms. */
const AHEAD_MS = 5_000;

export class ServerClock {
  /** The server's time at 0 of the monotonic clock; undefined before the server has told its time. */
  #origin: number | undefined;
  /** The server's time minus the time of this device, from an earlier run of the app, ms. */
  #offset = 0;

  constructor(private readonly storage: ClientStorage) {}

  /** Restores the difference that an earlier run of the app stored. */
  async restore(): Promise<void> {
    const stored = await readJson<number>(this.storage, KEY);
    if (typeof stored === "number") this.#offset = stored;
  }

  /** @param serverTime ms since the Unix epoch, from an answer that has just arrived */
  adjust(serverTime: number): void {
    this.#origin = serverTime - performance.now();
    const offset = Math.round(serverTime - Date.now());
    if (Math.abs(offset - this.#offset) < SAME_MS) return;
    this.#offset = offset;
    // A failed write does no harm: the server tells its time again at the next CONNECT.
    this.storage.set(KEY, JSON.stringify(offset)).catch(() => {});
  }

  /** Returns the server's time in ms since the Unix epoch. */
  now(): number {
    return this.#origin === undefined ? Date.now() + this.#offset : Math.floor(this.#origin + performance.now());
  }

  /**
   * @returns a new id for a message whose id is dated too far ahead, which the server would refuse; undefined if the id is good,
   *   or if the server has not told its time
   */
  redate(clientMsgId: string): string | undefined {
    if (this.#origin === undefined) return undefined;
    const now = this.now();
    return uuidv7Time(clientMsgId) > now + AHEAD_MS ? uuidv7(now) : undefined;
  }
}

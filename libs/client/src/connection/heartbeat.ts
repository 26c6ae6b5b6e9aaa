/**
 * Notices a dead connection. After some seconds in which nothing came or nothing was sent, PING; and sooner when somebody
 * waits for an answer and nothing at all comes. Two in a row without any frame from the server mean that it is gone: within
 * 9 s when something was asked.
 *
 * A page in the background, or a machine that slept, looks late: what came meanwhile may not have been read yet. Such a look
 * decides nothing.
 */
const ANSWER_MS = 5_000;
/** The same while somebody waits for an answer, and how long that wait lasts before the first PING. */
const URGENT_MS = 3_000;
const MOST_UNANSWERED = 2;
/** A look that comes so much after its time is late. */
const LATE_MS = 2_000;

export interface HeartbeatOptions {
  heartbeatMs: number;
  ping(): void;
  lost(): void;
}

export class Heartbeat {
  #heardAt = performance.now();
  #sentAt = performance.now();
  #unanswered = 0;
  /** Whether somebody waits for an answer, and nothing has come since it was asked for. */
  #isUrgent = false;
  #dueAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: HeartbeatOptions) {
    this.#schedule(options.heartbeatMs);
  }

  heard(): void {
    this.#heardAt = performance.now();
    // An answer that was waited for: the next look is a whole heartbeat away again.
    if (this.#unanswered > 0 || this.#isUrgent) this.#schedule(this.options.heartbeatMs);
    this.#unanswered = 0;
    this.#isUrgent = false;
  }

  sent(): void {
    this.#sentAt = performance.now();
  }

  /** Something was sent that the server answers. */
  asked(): void {
    this.sent();
    if (this.#isUrgent) return;
    this.#isUrgent = true;
    this.#hasten(URGENT_MS);
  }

  /** There is reason to doubt that the connection is alive: asks at once. */
  doubt(): void {
    this.#isUrgent = true;
    if (this.#unanswered === 0) this.#ask();
    else this.#hasten(URGENT_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    this.#dueAt = performance.now() + ms;
    this.#timer = setTimeout(() => this.#look(), ms);
  }

  /** The next look comes within this time. */
  #hasten(ms: number): void {
    if (this.#dueAt > performance.now() + ms) this.#schedule(ms);
  }

  #look(): void {
    const { heartbeatMs, lost } = this.options;
    const now = performance.now();
    if (now - this.#dueAt > LATE_MS) {
      this.#unanswered = 0;
      return this.#ask();
    }
    const silent = now - Math.min(this.#heardAt, this.#sentAt);
    if (this.#unanswered === 0 && !this.#isUrgent && silent < heartbeatMs) return this.#schedule(heartbeatMs - silent);
    if (this.#unanswered === MOST_UNANSWERED) return lost();
    this.#ask();
  }

  #ask(): void {
    const { heartbeatMs, ping } = this.options;
    this.#unanswered++;
    this.sent();
    this.#schedule(Math.min(this.#isUrgent ? URGENT_MS : ANSWER_MS, heartbeatMs));
    ping();
  }
}

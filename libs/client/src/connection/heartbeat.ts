/**
 * Notices a dead connection. The client sends PING after some seconds in which nothing came or nothing was sent, and sooner if a
 * request waits and no frame comes. Two PINGs in a row without any frame from the server mean that the connection is dead: the
 * client notices it within 9 s of a request.
 *
 * In a background page, or on a machine that slept, the timer fires late: frames that came meanwhile may still be unread. Such a
 * late check decides nothing.
 */
const ANSWER_MS = 5_000;
/** The same while a request waits for its answer, ms; also the wait before the first PING of such a request. */
const URGENT_MS = 3_000;
const MOST_UNANSWERED = 2;
/** A check that comes so much after its time is late, ms. */
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
  /** Whether a request waits for an answer, and no frame has come since it was sent. */
  #isUrgent = false;
  #dueAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: HeartbeatOptions) {
    this.#schedule(options.heartbeatMs);
  }

  heard(): void {
    this.#heardAt = performance.now();
    // The connection is alive: the next check is a whole heartbeat away again.
    if (this.#unanswered > 0 || this.#isUrgent) this.#schedule(this.options.heartbeatMs);
    this.#unanswered = 0;
    this.#isUrgent = false;
  }

  sent(): void {
    this.#sentAt = performance.now();
  }

  /** Called when the client has sent a request that the server answers. */
  asked(): void {
    this.sent();
    if (this.#isUrgent) return;
    this.#isUrgent = true;
    this.#hasten(URGENT_MS);
  }

  /** Called when there is reason to doubt that the connection is alive: sends PING at once. */
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

  /** Moves the next check forward, so that it comes within this time. */
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

/**
 * Notices a dead connection. After some seconds in which nothing came or nothing was sent, PING; two in a row
 * without any frame from the server mean that it is gone.
 */
const ANSWER_MS = 10_000;
const MOST_UNANSWERED = 2;

export interface HeartbeatOptions {
  heartbeatMs: number;
  ping(): void;
  lost(): void;
}

export class Heartbeat {
  private heardAt = performance.now();
  private sentAt = performance.now();
  private unanswered = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: HeartbeatOptions) {
    this.schedule(options.heartbeatMs);
  }

  heard(): void {
    this.heardAt = performance.now();
    // An answer that was waited for: the next look is a whole heartbeat away again.
    if (this.unanswered > 0) this.schedule(this.options.heartbeatMs);
    this.unanswered = 0;
  }

  sent(): void {
    this.sentAt = performance.now();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private schedule(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), ms);
  }

  private look(): void {
    const { heartbeatMs, ping, lost } = this.options;
    const silent = performance.now() - Math.min(this.heardAt, this.sentAt);
    if (this.unanswered === 0 && silent < heartbeatMs) return this.schedule(heartbeatMs - silent);
    if (this.unanswered === MOST_UNANSWERED) return lost();
    this.unanswered++;
    this.sent();
    this.schedule(Math.min(ANSWER_MS, heartbeatMs));
    ping();
  }
}

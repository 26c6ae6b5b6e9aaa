/** Tells the server what is safe here: 50 ms after the first event that is not yet acknowledged, or at 20 events. */
const DELAY_MS = 50;
const MOST_EVENTS = 20;

export class Acknowledger {
  #events = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param acknowledge acknowledges everything up to now */
  constructor(private readonly acknowledge: () => void) {}

  /** An event was handed to the app. */
  add(): void {
    if (++this.#events >= MOST_EVENTS) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), DELAY_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#events = 0;
  }

  /** Acknowledges now. */
  flush(): void {
    this.stop();
    this.acknowledge();
  }
}

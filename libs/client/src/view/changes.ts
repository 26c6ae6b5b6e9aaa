/** The listeners to changes of the view, by part; the view calls them once per turn of the event loop. */
import { getOrSet } from "@carillon/base";
import { reportUncaught } from "../events/event-source";

/** A part of the view. */
export type ViewPart = "conversations" | "people" | `messages/${string}` | `presence/${string}`;

export class Changes {
  readonly #listeners = new Map<ViewPart | "all", Set<() => void>>();
  readonly #changed = new Set<ViewPart>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @returns an unsubscribe function */
  subscribe(part: ViewPart | "all", listener: () => void): () => void {
    // A listener that subscribes twice is called twice, and can end each subscription separately.
    const own = () => listener();
    const set = getOrSet(this.#listeners, part, () => new Set());
    set.add(own);
    return () => {
      set.delete(own);
      if (set.size === 0 && this.#listeners.get(part) === set) this.#listeners.delete(part);
    };
  }

  /** Returns whether there is a listener to this part by its name. */
  isWatched(part: ViewPart): boolean {
    return this.#listeners.has(part);
  }

  note(...parts: ViewPart[]): void {
    for (const part of parts) this.#changed.add(part);
    this.#timer ??= setTimeout(() => this.#tell());
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#tell();
  }

  #tell(): void {
    this.#timer = undefined;
    const parts = [...this.#changed];
    if (parts.length === 0) return;
    this.#changed.clear();
    for (const part of [...parts, "all" as const]) {
      const listeners = this.#listeners.get(part) ?? new Set();
      for (const listener of [...listeners]) {
        // A listener that ran before may have ended this subscription.
        if (!listeners.has(listener)) continue;
        // A listener that throws does not stop the others; its error is reported as uncaught.
        try {
          listener();
        } catch (error) {
          reportUncaught(error);
        }
      }
    }
  }
}

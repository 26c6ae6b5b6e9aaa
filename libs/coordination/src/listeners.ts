import { guarded } from "@carillon/base";

/** Callbacks for one kind of event. */
export class Listeners {
  private readonly callbacks = new Set<() => void>();

  /** @returns an unsubscribe function */
  add(callback: () => void): () => void {
    // The wrapper makes a function that was added twice be called twice and removed once.
    const own = () => callback();
    this.callbacks.add(own);
    return () => void this.callbacks.delete(own);
  }

  notify(): void {
    for (const callback of [...this.callbacks]) guarded("listener", callback)();
  }

  clear(): void {
    this.callbacks.clear();
  }
}

/**
 * Values whose old state would do harm in the next life: a message that was sent, a token that is void. A change that fails is made
 * again until it works, or another of the same key takes its place.
 */
import type { ClientStorage } from "./storage";

const AGAIN_MS = 2_000;

export class KeptValues {
  /** Changes that are under way or have failed; undefined: the key is to be taken out. */
  readonly #wanted = new Map<string, { value: string | undefined }>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param onError told of each failure
   * @param closing aborted when nothing is tried again any more
   */
  constructor(
    private readonly storage: ClientStorage,
    private readonly onError: (error: Error) => void,
    private readonly closing: AbortSignal,
  ) {}

  /** @returns when it was tried once: a storage that has failed holds up nobody */
  set(key: string, value: unknown): Promise<void> {
    return this.#change(key, { value: JSON.stringify(value) });
  }

  /** As `set`. */
  delete(key: string): Promise<void> {
    return this.#change(key, { value: undefined });
  }

  async #change(key: string, change: { value: string | undefined }): Promise<void> {
    const { storage } = this;
    const wanted = this.#wanted;
    wanted.set(key, change);
    try {
      await (change.value === undefined ? storage.delete(key) : storage.set(key, change.value));
      if (wanted.get(key) === change) wanted.delete(key);
    } catch (error) {
      this.onError(error as Error);
      this.#timer ??= setTimeout(() => this.#again(), AGAIN_MS);
    }
  }

  #again(): void {
    this.#timer = undefined;
    if (this.closing.aborted) return;
    for (const [key, change] of [...this.#wanted]) void this.#change(key, change);
  }
}

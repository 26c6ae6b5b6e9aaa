/**
 * Values whose old state would do harm in the next run: a message that was sent, a token that is void. The class repeats a failed
 * change until it succeeds, or until another change of the same key replaces it.
 */
import type { ClientStorage } from "./storage";

const AGAIN_MS = 2_000;

export class KeptValues {
  /** The changes that are under way or have failed; undefined: delete the key. */
  readonly #wanted = new Map<string, { value: string | undefined }>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param onError is called at each failure
   * @param closing is aborted when the class repeats no change any more
   */
  constructor(
    private readonly storage: ClientStorage,
    private readonly onError: (error: Error) => void,
    private readonly closing: AbortSignal,
  ) {}

  /** Stores a value. @returns a promise that resolves after the first attempt: a failed storage delays no caller */
  set(key: string, value: unknown): Promise<void> {
    return this.#change(key, { value: JSON.stringify(value) });
  }

  /** Deletes a value, in the same way as `set`. */
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

/** Who is typing where: a hint that fades when it is not renewed. */
import { getOrSet } from "@carillon/base";

/** A hint is renewed every 3 s while somebody types. */
const FADES_MS = 6_000;

export class TypingList {
  readonly #timers = new Map<string, Map<string, ReturnType<typeof setTimeout>>>();

  /** @param onChange somebody has begun or stopped to type in this conversation */
  constructor(private readonly onChange: (conversationId: string) => void) {}

  /** Whoever types in a conversation, by id. */
  in(conversationId: string): string[] {
    return [...(this.#timers.get(conversationId)?.keys() ?? [])].sort();
  }

  begin(conversationId: string, userId: string): void {
    const timers = getOrSet(this.#timers, conversationId, () => new Map());
    const isNew = !timers.has(userId);
    clearTimeout(timers.get(userId));
    timers.set(
      userId,
      setTimeout(() => this.end(conversationId, userId), FADES_MS),
    );
    if (isNew) this.onChange(conversationId);
  }

  /** His message has come, or nothing has for a while. */
  end(conversationId: string, userId: string): void {
    const timers = this.#timers.get(conversationId);
    if (!timers?.has(userId)) return;
    clearTimeout(timers.get(userId));
    timers.delete(userId);
    if (timers.size === 0) this.#timers.delete(conversationId);
    this.onChange(conversationId);
  }

  stop(): void {
    for (const timers of this.#timers.values()) for (const timer of timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}

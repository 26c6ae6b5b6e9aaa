/** Says that the user is typing no more often than it helps: whoever reads it shows it for some seconds. */
const LEAST_MS = 3_000;
/** Conversations that are remembered; a person types in few. */
const MOST = 100;

export class TypingPace {
  /** When it was said last, by conversation; the earliest first. */
  readonly #said = new Map<string, number>();

  /** @param say sends the hint over the connection in use. @returns whether there was one */
  constructor(private readonly say: (conversationId: string) => boolean) {}

  /** The user has pressed a key. */
  typing(conversationId: string): void {
    const now = performance.now();
    if (now - (this.#said.get(conversationId) ?? -LEAST_MS) < LEAST_MS || !this.say(conversationId)) return;
    this.#said.delete(conversationId);
    this.#said.set(conversationId, now);
    const [earliest] = this.#said.keys();
    if (this.#said.size > MOST && earliest !== undefined) this.#said.delete(earliest);
  }

  /** The message was sent: the next key begins anew. */
  sent(conversationId: string): void {
    this.#said.delete(conversationId);
  }
}

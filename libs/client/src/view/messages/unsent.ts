/**
 * Own messages at the end of a conversation that are not among its events yet: on their way, numbered but not delivered
 * to this device, or failed. Failed ones are stored, as the outbox knows them no more.
 */
import { parseTarget, type SendPayload, type SentPayload } from "@carillon/protocol";

export interface UnsentMessage {
  readonly payload: SendPayload;
  /** Set when the server has it, until it is delivered here. */
  readonly sent?: SentPayload;
  /** Why it counts as not sent. */
  readonly failure?: string;
}

export class Unsent {
  /** By clientMsgId, in the order in which they were sent. */
  readonly #messages = new Map<string, UnsentMessage>();

  /**
   * @param userId whose messages these are; undefined before the first session
   * @param keep a message has failed; undefined: it counts as failed no more
   */
  constructor(
    private readonly userId: () => string | undefined,
    private readonly keep: (clientMsgId: string, message: UnsentMessage | undefined) => void,
  ) {}

  /** Those of a conversation: numbered ones by number, then the others in the order in which they were sent. */
  in(conversationId: string): UnsentMessage[] {
    const own = [...this.#messages.values()].filter(({ payload }) => this.#conversationOf(payload) === conversationId);
    return own.sort((a, b) => (a.sent?.seq ?? Infinity) - (b.sent?.seq ?? Infinity) || 0);
  }

  /** Ids of those that have neither a number nor failed. */
  get waiting(): string[] {
    return [...this.#messages].flatMap(([id, { sent, failure }]) => ((sent ?? failure) === undefined ? [id] : []));
  }

  get failed(): [clientMsgId: string, message: UnsentMessage][] {
    return [...this.#messages].filter(([, { failure }]) => failure !== undefined);
  }

  get(clientMsgId: string): UnsentMessage | undefined {
    return this.#messages.get(clientMsgId);
  }

  /** @returns the conversation */
  put(message: UnsentMessage): string | undefined {
    const { clientMsgId } = message.payload;
    // Sent once more after it failed, it is the newest; a message that is numbered keeps its place.
    if (message.sent === undefined && message.failure === undefined) this.#take(clientMsgId);
    this.#messages.set(clientMsgId, message);
    if (message.failure !== undefined) this.keep(clientMsgId, message);
    return this.#conversationOf(message.payload);
  }

  /** @returns the conversation of the message that has its number now; undefined when it is not known */
  sent(sent: SentPayload): string | undefined {
    const message = this.#take(sent.clientMsgId);
    if (message === undefined) return undefined;
    this.#messages.set(sent.clientMsgId, { payload: message.payload, sent });
    return sent.conversationId;
  }

  /** A message has another id. @returns its conversation */
  rename(from: string, to: string): string | undefined {
    const known = [...this.#messages];
    const message = this.#messages.get(from);
    if (message === undefined) return undefined;
    const renamed = { ...message, payload: { ...message.payload, clientMsgId: to } };
    // It keeps its place.
    this.#messages.clear();
    for (const [id, each] of known) this.#messages.set(id === from ? to : id, id === from ? renamed : each);
    return this.#conversationOf(renamed.payload);
  }

  /** The event is here, or the user has thrown the message away. @returns its conversation if it was there */
  remove(clientMsgId: string): string | undefined {
    const message = this.#take(clientMsgId);
    return message && this.#conversationOf(message.payload);
  }

  #take(clientMsgId: string): UnsentMessage | undefined {
    const message = this.#messages.get(clientMsgId);
    this.#messages.delete(clientMsgId);
    if (message?.failure !== undefined) this.keep(clientMsgId, undefined);
    return message;
  }

  #conversationOf({ to }: SendPayload): string | undefined {
    return parseTarget(to, this.userId() ?? "")?.conversationId;
  }
}

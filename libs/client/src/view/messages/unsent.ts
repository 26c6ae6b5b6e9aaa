/**
 * Own messages at the end of a conversation that are not among its events yet: under way, numbered but not delivered to this
 * device, or failed. The view stores failed messages, because the outbox has dropped them.
 */
import { parseTarget, type SendPayload, type SentPayload } from "@carillon/protocol";

export interface UnsentMessage {
  readonly payload: SendPayload;
  /** The answer of the server; set until the message is delivered here. */
  readonly sent?: SentPayload;
  /** The reason why the message counts as not sent. */
  readonly failure?: string;
}

export class Unsent {
  /** The messages by clientMsgId, in the order in which they were sent. */
  readonly #messages = new Map<string, UnsentMessage>();

  /**
   * @param userId returns the id of the sender; undefined before the first session
   * @param keep stores a message that has failed; undefined: the message no longer counts as failed
   */
  constructor(
    private readonly userId: () => string | undefined,
    private readonly keep: (clientMsgId: string, message: UnsentMessage | undefined) => void,
  ) {}

  /** Returns the messages of a conversation: numbered ones by number, then the others in the order in which they were sent. */
  in(conversationId: string): UnsentMessage[] {
    const own = [...this.#messages.values()].filter(({ payload }) => this.#conversationOf(payload) === conversationId);
    return own.sort((a, b) => (a.sent?.seq ?? Infinity) - (b.sent?.seq ?? Infinity) || 0);
  }

  /** The ids of messages that have no number and have not failed. */
  get waiting(): string[] {
    return [...this.#messages].flatMap(([id, { sent, failure }]) => ((sent ?? failure) === undefined ? [id] : []));
  }

  get failed(): [clientMsgId: string, message: UnsentMessage][] {
    return [...this.#messages].filter(([, { failure }]) => failure !== undefined);
  }

  get(clientMsgId: string): UnsentMessage | undefined {
    return this.#messages.get(clientMsgId);
  }

  /** Adds or replaces a message. @returns its conversation */
  put(message: UnsentMessage): string | undefined {
    const { clientMsgId } = message.payload;
    // A failed message that is sent again becomes the newest; a numbered message keeps its place.
    if (message.sent === undefined && message.failure === undefined) this.#take(clientMsgId);
    this.#messages.set(clientMsgId, message);
    if (message.failure !== undefined) this.keep(clientMsgId, message);
    return this.#conversationOf(message.payload);
  }

  /** Called when a message has its number. @returns its conversation; undefined if the message is unknown */
  sent(sent: SentPayload): string | undefined {
    const message = this.#take(sent.clientMsgId);
    if (message === undefined) return undefined;
    this.#messages.set(sent.clientMsgId, { payload: message.payload, sent });
    return sent.conversationId;
  }

  /** Gives a message its new id. @returns its conversation */
  rename(from: string, to: string): string | undefined {
    const known = [...this.#messages];
    const message = this.#messages.get(from);
    if (message === undefined) return undefined;
    const renamed = { ...message, payload: { ...message.payload, clientMsgId: to } };
    // The message keeps its place.
    this.#messages.clear();
    for (const [id, each] of known) this.#messages.set(id === from ? to : id, id === from ? renamed : each);
    return this.#conversationOf(renamed.payload);
  }

  /**
   * Removes a message whose event has come, or that the user has discarded. @returns its conversation if the message was there
   */
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

/** The events that a client sends to its app, and the type of listeners. */
import type {
  ChangedPayload,
  ConversationRow,
  Event,
  NotifyPayload,
  SendPayload,
  SentPayload,
  TypingServerPayload,
  Unreadable,
  UserPresence,
} from "@carillon/protocol";
import type { ClientState } from "../connection/keeper";

/** A mark of another user, or of another device of this user, has moved. */
export interface Receipt {
  kind: "read" | "delivered";
  conversationId: string;
  userId: string;
  /** The mark holds for everything up to this number. */
  seq: number;
}

/** A message that counts as not sent. If the app sends it again with the same clientMsgId, the server stores it once. */
export interface FailedMessage {
  message: SendPayload;
  error: Error;
}

/** A part of a conversation that the client cannot fetch now; both ends are inclusive. */
export interface Gap {
  conversationId: string;
  fromSeq: number;
  toSeq: number;
}

/** An event or row of the server that this version cannot read. The client leaves it out, and takes all others. */
export class UnreadableEntry extends Error {
  override readonly name = "UnreadableEntry";

  constructor(
    /** The list that contained the entry, its id and number, and its fault. */
    readonly entry: Unreadable,
  ) {
    const { list, id, seq, why } = entry;
    super(
      `an entry of ${list}${id === undefined ? "" : ` (${id}${seq === undefined ? "" : ` ${seq}`})`} is left out: ${why}`,
    );
  }
}

/** The events of a client, by name. */
export interface ClientEvents {
  /**
   * An event of kind `message` in any conversation, including the user's own messages. The app gets each (conversationId, seq)
   * once, in the order of `seq`; only events of a reported `gap` come late.
   */
  message: Event;
  /** The message with the number `targetSeq` was recalled. The app must delete its content. */
  recall: Event;
  /** A group has changed. `parseSystemContent` reads the change from the content; the sender made it. */
  system: Event;
  /** A message of this device is in the outbox and waits for its number. */
  sending: SendPayload;
  /**
   * A message of this device was written before the client knew the server's time, and its id was dated ahead of that time.
   * From now on the message has the id `to` instead of `from`.
   */
  redated: { from: string; to: string };
  /** A message of this device has its number. */
  sent: SentPayload;
  /** A message of this device counts as not sent. */
  failed: FailedMessage;
  /** A mark has moved: another user has received or read up to a number, or this user has read on another device. */
  receipt: Receipt;
  /** Watched users went online or offline. */
  presence: UserPresence[];
  /** A user is typing. The hint repeats every 3 s while they type. */
  typing: TypingServerPayload;
  /** A large group has events up to `lastSeq`; the client fetches them. */
  notify: NotifyPayload;
  /** Relations, groups, a profile or settings have changed; the view fetches the changes itself. */
  changed: ChangedPayload;
  /** The new state of the client. */
  state: ClientState;
  /**
   * The server cannot replay the events that this device missed. The rows are all conversations as they are now. The missed events of
   * known conversations, and all events of new ones, follow as `message`, the newest conversation first.
   */
  resync: ConversationRow[];
  /**
   * Three attempts could not fetch these events. The app gets later events now; these follow when the client can fetch them.
   */
  gap: Gap;
  /**
   * One of three failures. The storage failed: until it works again, the client acknowledges nothing to the server, and nothing
   * is lost. `UnreadableEntry`: this version cannot read one event or row of the server, and left it out. `ListenerFailed`: a
   * listener of the app threw, rejected or hung. If nobody listens to "error", the client writes the failure to the console.
   */
  error: Error;
}

/**
 * A listener may return a promise. The client acknowledges a message, recall, system event or resync to the server when the
 * promises of all its listeners have resolved. If a listener of these events throws, rejects, or takes longer than a minute,
 * the client reports it by "error" and calls it again with the same value, five times in all.
 */
export type Listener<T> = (value: T) => unknown;

/** What a client tells its app, and how the app listens. */
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
import type { ClientState } from "../connection/client-state";

/** A mark of another user (or of another device of this one) has moved. */
export interface Receipt {
  kind: "read" | "delivered";
  conversationId: string;
  userId: string;
  /** The mark holds for everything up to this number. */
  seq: number;
}

/** A message that is shown as "not sent"; sending it again with the same clientMsgId cannot double it. */
export interface FailedMessage {
  message: SendPayload;
  error: Error;
}

/** A part of a conversation that cannot be had now, both ends inclusive. */
export interface Gap {
  conversationId: string;
  fromSeq: number;
  toSeq: number;
}

/** One event or row of the server that cannot be read here: it is left out, all others count. */
export class UnreadableEntry extends Error {
  override readonly name = "UnreadableEntry";

  constructor(
    /** Where it stood, whose it is, and what is wrong with it. */
    readonly entry: Unreadable,
  ) {
    const { list, id, seq, why } = entry;
    super(
      `an entry of ${list}${id === undefined ? "" : ` (${id}${seq === undefined ? "" : ` ${seq}`})`} is left out: ${why}`,
    );
  }
}

/** What a client tells, by name. */
export interface ClientEvents {
  /**
   * An event of any conversation, the user's own messages included; each (conversationId, seq) once, in order of seq.
   * Only what was told as a `gap` comes late.
   */
  message: Event;
  /** A message was taken back: `targetSeq` says which. Its content must be forgotten. */
  recall: Event;
  /** A group has changed: its content, read by `parseSystemContent`, says how; the sender did it. */
  system: Event;
  /** A message of this device is kept, and waits for its number. */
  sending: SendPayload;
  /**
   * A message of this device that was written before the server had told its time was dated ahead of it: from now on it has
   * another id.
   */
  redated: { from: string; to: string };
  /** A message of this device has its number. */
  sent: SentPayload;
  /** A message of this device counts as not sent. */
  failed: FailedMessage;
  /** A mark has moved: somebody has received, or read, up to a number; or this user has read on another device. */
  receipt: Receipt;
  /** Users who are watched have come or gone. */
  presence: UserPresence[];
  /** Somebody is typing; the hint is repeated every 3 s as long as he does. */
  typing: TypingServerPayload;
  /** A conversation has more than was delivered here. */
  notify: NotifyPayload;
  /** Relations, groups, the profile or settings have changed: the view has them soon. */
  changed: ChangedPayload;
  /** Where the client stands. */
  state: ClientState;
  /**
   * This device cannot be told by replay what it missed: these are all conversations as they stand. What it missed in
   * those that it knew, and all of those that began meanwhile, follows as `message`, the newest conversation first.
   */
  resync: ConversationRow[];
  /** Events that three tries could not fetch: what is behind them is shown now, they follow when they can be had. */
  gap: Gap;
  /**
   * The storage has failed: nothing is acknowledged to the server until it works again, nothing is lost. Or, as an
   * `UnreadableEntry`: one event or row of the server cannot be read here and was left out. Or, as a `ListenerFailed`: a
   * listener of the app threw, rejected or hung. Where nobody listens it is written to the console.
   */
  error: Error;
}

/**
 * May return a promise; a message, recall, system event or resync is acknowledged to the server when those of its listeners
 * are kept. One that throws, rejects or is not done in a minute is told by "error", and called again with the same value.
 */
export type Listener<T> = (value: T) => unknown;

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
import type { ClientState } from "./connection/client-state";

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
   * `UnreadableEntry`: one event or row of the server cannot be read here and was left out.
   */
  error: Error;
}

/** May return a promise; an event is acknowledged to the server when those of its listeners are kept. */
export type Listener<T> = (value: T) => unknown;

/** Calls listeners in the order they came. One that throws disturbs nobody: its error is reported as uncaught. */
export class EventSource<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** @returns a function that ends the listening */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const set = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, set.add(listener as Listener<never>));
    return () => void set.delete(listener as Listener<never>);
  }

  /** Resolves when all that the listeners returned is settled; undefined when nothing has to be waited for. */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): Promise<unknown> | undefined {
    const pending: PromiseLike<unknown>[] = [];
    for (const listener of [...(this.listeners.get(name) ?? [])] as Listener<Events[Name]>[]) {
      try {
        const result = listener(value);
        if (isPromise(result)) pending.push(result.then(undefined, reportUncaught));
      } catch (error) {
        reportUncaught(error);
      }
    }
    return pending.length === 0 ? undefined : Promise.all(pending);
  }
}

/** All events from now on, for `for await`. Leaving the loop ends the listening; what is not yet taken is kept. */
export async function* eventStream<T>(listen: (listener: Listener<T>) => () => void, ended: AbortSignal) {
  const waiting: T[] = [];
  let wake: () => void = () => {};
  const stop = listen((value) => {
    waiting.push(value);
    wake();
  });
  const onEnd = () => wake();
  ended.addEventListener("abort", onEnd);
  try {
    while (true) {
      while (waiting.length > 0) yield waiting.shift() as T;
      if (ended.aborted) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    ended.removeEventListener("abort", onEnd);
    stop();
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** The fault of somebody who was told something: whoever told it goes on. */
export function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

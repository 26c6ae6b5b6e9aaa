/**
 * The contract between a client (`client.ts`) and its core, which does the work behind it. In Node, and in a page that is open in
 * one tab only, the core is an engine. Tabs of a browser with the same storage share one engine.
 */
import type {
  ConversationRow,
  PulledPayload,
  PullPayload,
  ReadPayload,
  SendPayload,
  SentPayload,
} from "@carillon/protocol";
import type { ClientState } from "./connection/keeper";
import { closedError } from "./connection/questions";
import { EventSource, ListenerFailed, reportUncaught } from "./events/event-source";
import type { ClientEvents } from "./events/events";
import type { Api } from "./http/http-api";
import type { Identity } from "./storage/identity";
import type { ClientStorage } from "./storage/storage";
import type { Synchroniser } from "./sync/synchroniser";

/** Events between parts of the SDK, in addition to the events that the app can listen to. */
export interface CoreEvents extends ClientEvents {
  /** A session is open. `watchedUsers`: how many users the server lets this connection watch. */
  session: { watchedUsers: number };
  /** Unanswered messages that an engine found in the storage when it started. */
  outbox: SendPayload[];
  /** All read marks that the server does not have yet; emitted when one of them moves. */
  marks: ReadPayload[];
  /** The server has returned the present row of one conversation. */
  row: ConversationRow;
  /** From now on this client stores the view, and replaces the view that another client has stored. */
  adopted: undefined;
  /** No watch of these users is left. */
  released: string[];
}

/** The way by which a core sends events to its client. */
export type Tell = Pick<EventSource<CoreEvents>, "on" | "emit" | "deliver"> & {
  /** Reports a failure that no caller waits for: by "error", or on the console if nobody listens to "error". */
  fail(error: Error): void;
};

/** The listeners of one client. */
export class Listeners extends EventSource<CoreEvents> implements Tell {
  /** @param closing is aborted when the client is closed */
  constructor(closing: AbortSignal) {
    super((failure) => this.fail(failure), closing);
  }

  fail(error: Error): void {
    // A failing listener to "error" is not called with its own failure.
    const isOfErrors = error instanceof ListenerFailed && error.event === "error";
    if (this.has("error") && !isOfErrors) this.emit("error", error);
    else reportUncaught(error);
  }
}

/** Calls that a tab can make to the tab that has the connection. Arguments and results are plain values. */
export interface Calls extends Api {
  /** Connects, and stays connected. Resolves when a session is open. */
  connect(): Promise<void>;
  /** Revokes the session. @throws CarillonError UNAVAILABLE if the server could not be told */
  logOut(): Promise<void>;
  send(message: SendPayload): Promise<SentPayload>;
  /** Asks over the present connection, or the next one. @throws CarillonError */
  ask<T extends object>(command: number, payload: object): Promise<T>;
  pull(range: PullPayload): Promise<PulledPayload>;
  /** Resolves when the server has the mark. */
  markRead(conversationId: string, seq: number): Promise<void>;
  typing(conversationId: string): void;
  focus(conversationId: string | null): Promise<void>;
  /** Fetches missing events of this conversation before those of all others. */
  first(conversationId: string): void;
}

/** The part of the SDK that does the work behind a client. */
export interface Core extends Calls {
  readonly events: Tell;
  readonly storage: ClientStorage;
  /** Runs SYNC, for the part that stores its results. */
  readonly synchroniser: Pick<Synchroniser, "changes" | "keeper">;
  /** Aborted when the client is closed. */
  readonly closing: AbortSignal;
  readonly state: ClientState;
  /** The user's id; undefined until app or server have named it. */
  readonly userId: string | undefined;
  /** Loads the state that an earlier run has stored. @throws Error if the storage belongs to another device or user */
  prepare(): Promise<void>;
  /** Returns a new message id (UUIDv7). @throws CarillonError UNAVAILABLE if the client is closed; errors of the storage */
  newId(): Promise<string>;
  watch(userIds: readonly string[]): () => void;
  /** Messages without an answer. */
  unsent(): SendPayload[];
  /** Marks that the server does not have yet. */
  unread(): ReadPayload[];
  /** Whether this client, and no other, stores the view. */
  keeps(): boolean;
  takeOver(): Promise<void>;
  close(): Promise<void>;
  /** Registers work that must finish before `close` resolves. */
  atEnd(work: () => Promise<unknown>): void;
}

/** An engine that tabs can share. */
export interface SharedEngine extends Core {
  /** @param mustRepeat whether the server must send the present state again, also for users who are already watched */
  watch(userIds: readonly string[], mustRepeat?: boolean): () => void;
}

/** Creates an engine. If `events` is given, the engine sends its events there instead of to its own listeners. */
export type MakeEngine = (events?: Tell) => SharedEngine;

/** A storage that several clients share, as the tabs of a browser do. */
export interface SharingStorage extends ClientStorage {
  /** @returns the core of one client; undefined if clients cannot share the storage, and each client needs its own engine */
  share(makeEngine: MakeEngine, identity: Identity): Core | undefined;
}

/**
 * Resolves when the client is online.
 * @param isInUse whether a connection exists; the event of its end may still be on the way
 * @param patience when it is aborted, the promise resolves as well
 * @throws the error with which the client was closed
 */
export function untilOnline(
  { events, state }: Pick<Core, "events" | "state">,
  isInUse: () => boolean,
  patience?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (now: ClientState) => {
      if (now.name === "closed") reject(now.error ?? closedError());
      else if (now.name === "online" && isInUse()) resolve();
      else return;
      stop();
    };
    const stop = events.on("state", look);
    patience?.addEventListener("abort", () => {
      stop();
      resolve();
    });
    look(state);
  });
}

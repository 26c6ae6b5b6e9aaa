/**
 * What works behind the face of a client. In Node, and in a page that is open once, it is an engine; tabs of a browser that have
 * their storage in common share one.
 */
import type {
  ConversationRow,
  PulledPayload,
  PullPayload,
  ReadPayload,
  SendPayload,
  SentPayload,
} from "@carillon/protocol";
import type { ClientState } from "./connection/client-state";
import { closedError } from "./connection/questions";
import { EventSource, ListenerFailed, reportUncaught } from "./events/event-source";
import type { ClientEvents } from "./events/events";
import type { HttpRequest } from "./http/http-api";
import type { Identity } from "./storage/identity";
import type { ClientStorage } from "./storage/storage";
import type { Synchroniser } from "./sync/synchroniser";

/** What parts of the SDK tell each other, besides what the app hears. */
export interface CoreEvents extends ClientEvents {
  /** A session is open; the server takes so many watched users of it. */
  session: { watchedUsers: number };
  /** Messages without an answer, as an engine that begins has found them. */
  outbox: SendPayload[];
  /** All marks that the server does not have yet, when one of them has moved. */
  marks: ReadPayload[];
  /** The server has told how one conversation stands. */
  row: ConversationRow;
  /** What is shown is stored by this client from now on, in place of what another one has stored. */
  adopted: undefined;
  /** Nobody watches these users any more. */
  released: string[];
}

/** Through which a client is told. */
export type Tell = Pick<EventSource<CoreEvents>, "on" | "emit" | "deliver"> & {
  /** Something has failed that nobody waits for: an "error", or in the console where nobody listens. */
  fail(error: Error): void;
};

/** The listeners of one client. */
export class Listeners extends EventSource<CoreEvents> implements Tell {
  /** @param closing aborted when the client is closed */
  constructor(closing: AbortSignal) {
    super((failure) => this.fail(failure), closing);
  }

  fail(error: Error): void {
    // A listener to "error" that fails is not told of that.
    const isOfErrors = error instanceof ListenerFailed && error.event === "error";
    if (this.has("error") && !isOfErrors) this.emit("error", error);
    else reportUncaught(error);
  }
}

/** Requests over HTTP in the name of the user. */
export interface Api {
  /** @throws CarillonError the refusal; UNAVAILABLE when nobody answers */
  call<T>(method: string, path: string, request?: Omit<HttpRequest, "token">): Promise<T>;
}

/** What a tab can ask of the one that has the connection: arguments and answers are plain values. */
export interface Calls extends Api {
  /** Connects, and stays connected. @returns when a session is open */
  connect(): Promise<void>;
  /** Ends the session for good. @throws CarillonError UNAVAILABLE when the server was not told */
  logOut(): Promise<void>;
  send(message: SendPayload): Promise<SentPayload>;
  /** Over the connection in use, or the next one. @throws CarillonError */
  ask<T extends object>(command: number, payload: object): Promise<T>;
  pull(range: PullPayload): Promise<PulledPayload>;
  /** @returns when the server has it */
  markRead(conversationId: string, seq: number): Promise<void>;
  typing(conversationId: string): void;
  focus(conversationId: string | null): Promise<void>;
  /** What was missed in this conversation is fetched before all else. */
  first(conversationId: string): void;
}

/** What works behind the face of a client. */
export interface Core extends Calls {
  readonly events: Tell;
  readonly storage: ClientStorage;
  /** SYNC, for whoever keeps what it tells. */
  readonly synchroniser: Pick<Synchroniser, "changes" | "keeper">;
  /** Aborted when the client is closed. */
  readonly closing: AbortSignal;
  readonly state: ClientState;
  /** Whose client this is; undefined before anybody said so. */
  readonly userId: string | undefined;
  /** Takes over what an earlier life has stored. @throws Error when the storage is another's */
  prepare(): Promise<void>;
  /** A new id of a message. @throws CarillonError UNAVAILABLE when the client is closed; what the storage throws */
  newId(): Promise<string>;
  watch(userIds: readonly string[]): () => void;
  /** Messages that have no answer yet. */
  unsent(): SendPayload[];
  /** Marks that the server does not have yet. */
  unread(): ReadPayload[];
  /** Whether what is shown is stored by this client, and by no other. */
  keeps(): boolean;
  takeOver(): Promise<void>;
  close(): Promise<void>;
  /** What is to be written before `close` resolves. */
  atEnd(work: () => Promise<unknown>): void;
}

/** One that tabs can share. */
export interface SharedEngine extends Core {
  /** @param mustRepeat the server is to say again how they stand, also of those who are watched already */
  watch(userIds: readonly string[], mustRepeat?: boolean): () => void;
}

/** Makes an engine; it tells `events` instead of its own listeners. */
export type MakeEngine = (events?: Tell) => SharedEngine;

/** A storage that several clients have in common, as the tabs of a browser do. */
export interface SharingStorage extends ClientStorage {
  /** @returns what works behind one of them; undefined where it cannot be shared: each has an engine of its own */
  share(makeEngine: MakeEngine, identity: Identity): Core | undefined;
}

/**
 * @param isInUse whether there is a connection as well: its end may not be told yet
 * @param patience aborted when it was waited for long enough: then it resolves, too
 * @returns when the client is online
 * @throws the error with which it was closed
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

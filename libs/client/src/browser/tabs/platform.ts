import { CarillonError, type ErrorPayload, type ReadPayload, type SendPayload } from "@carillon/protocol";
import { Refused } from "../../connection/keeper";
import type { Calls, CoreEvents } from "../../core";

/** The means that the tabs of one browser share: a lock that one of them holds, and a channel that all of them hear. */

/** The part of `navigator.locks` that the SDK uses. */
export interface Locks {
  request(
    name: string,
    options: { signal?: AbortSignal; steal?: boolean; ifAvailable?: boolean },
    /** Receives null if another tab holds the lock and the request was `ifAvailable`. */
    hold: (lock: unknown) => Promise<unknown>,
  ): Promise<unknown>;
}

/** The part of a BroadcastChannel that the SDK uses. */
export interface Channel {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(value: unknown): void;
  close(): void;
}

export interface Browser {
  /** Undefined in pages that are not secure, and in old browsers. */
  locks: Locks | undefined;
  openChannel(name: string): Channel;
}

/** @returns the browser's locks and channels; undefined on platforms without tabs */
export function platformBrowser(): Browser | undefined {
  const { navigator, BroadcastChannel } = globalThis as unknown as {
    navigator?: { locks?: Locks };
    BroadcastChannel?: new (name: string) => Channel;
  };
  if (navigator === undefined || BroadcastChannel === undefined) return undefined;
  return { locks: navigator.locks, openChannel: (name) => new BroadcastChannel(name) };
}

/** The messages that tabs post to each other. All are plain values; an error travels as the payload of an ERROR frame. */

/** The least close code; codes of errors are lower. */
const LEAST_CLOSE_CODE = 4_000;

/** The calls that a tab may make to the tab that has the connection. */
export type CallName = keyof Calls | "watch";

export type Post =
  /** A tab has come, and asks which tab has the connection. */
  | { kind: "hello"; from: string }
  /** This tab has the connection from now on; the other tabs answer with "hello". */
  | { kind: "leader"; from: string }
  /** This tab has the connection, and tells its present state. */
  | {
      kind: "stands";
      from: string;
      to: string;
      state: unknown;
      userId: string | undefined;
      unsent: SendPayload[];
      unread: ReadPayload[];
    }
  /** Another tab wants the connection; the tab that has it lets go, and answers with "yielded". */
  | { kind: "yield"; from: string }
  | { kind: "yielded"; to: string }
  | { kind: "call"; from: string; to: string; id: number; name: CallName; args: unknown[] }
  | { kind: "answer"; to: string; id: number; value?: unknown; error?: ErrorPayload }
  /** An event for all tabs. @param id only for events that must not be lost: each tab answers when its listeners are done */
  | { kind: "event"; from: string; name: keyof CoreEvents; value: unknown; id?: number }
  | { kind: "done"; from: string; to: string; id: number };

export function packError(error: unknown): ErrorPayload {
  if (error instanceof CarillonError) return error.toPayload();
  const { message } = error as { message?: string };
  return {
    ...new CarillonError("INTERNAL", message).toPayload(),
    ...(error instanceof Refused && { code: error.code }),
  };
}

function unpackError({ code, ...rest }: ErrorPayload): Error {
  return code >= LEAST_CLOSE_CODE ? new Refused(rest.message, code) : CarillonError.fromPayload({ code, ...rest });
}

/** Packs the error that a state or a failed message holds. */
export function packValue(value: unknown): unknown {
  const { error } = (value ?? {}) as { error?: unknown };
  return error === undefined ? value : { ...(value as object), error: packError(error) };
}

export function unpackValue<T>(value: T): T {
  const { error } = (value ?? {}) as { error?: ErrorPayload };
  return error === undefined ? value : { ...value, error: unpackError(error) };
}

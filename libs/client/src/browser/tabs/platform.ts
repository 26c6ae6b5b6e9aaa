import { CarillonError, type ErrorPayload, type ReadPayload, type SendPayload } from "@carillon/protocol";
import { Refused } from "../../connection/keeper";
import type { Calls, CoreEvents } from "../../core";

/** What tabs of one browser have in common: a lock that one of them holds, and a channel that all of them hear. */

/** As `navigator.locks`, of which this is a part. */
export interface Locks {
  request(
    name: string,
    options: { signal?: AbortSignal; steal?: boolean; ifAvailable?: boolean },
    /** Given null where the lock is held, and was asked for `ifAvailable`. */
    hold: (lock: unknown) => Promise<unknown>,
  ): Promise<unknown>;
}

/** As a BroadcastChannel, of which this is a part. */
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

/** @returns undefined where there are no tabs */
export function platformBrowser(): Browser | undefined {
  const { navigator, BroadcastChannel } = globalThis as unknown as {
    navigator?: { locks?: Locks };
    BroadcastChannel?: new (name: string) => Channel;
  };
  if (navigator === undefined || BroadcastChannel === undefined) return undefined;
  return { locks: navigator.locks, openChannel: (name) => new BroadcastChannel(name) };
}

/** What tabs post to each other. All of it is plain values: errors go as what an ERROR frame would say. */

/** Codes of closes are above those of errors. */
const LEAST_CLOSE_CODE = 4_000;

/** What may be asked of the tab that has the connection. */
export type CallName = keyof Calls | "watch";

export type Post =
  /** A tab has come, and wants to know who has the connection. */
  | { kind: "hello"; from: string }
  /** This one has it from now on: whoever is there says so. */
  | { kind: "leader"; from: string }
  /** This one has it, and so it stands. */
  | {
      kind: "stands";
      from: string;
      to: string;
      state: unknown;
      userId: string | undefined;
      unsent: SendPayload[];
      unread: ReadPayload[];
    }
  /** Another tab wants it: whoever has it lets go, and says so. */
  | { kind: "yield"; from: string }
  | { kind: "yielded"; to: string }
  | { kind: "call"; from: string; to: string; id: number; name: CallName; args: unknown[] }
  | { kind: "answer"; to: string; id: number; value?: unknown; error?: ErrorPayload }
  /** To all tabs. @param id of those that must not be lost: each tab answers when its listeners are done */
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

/** States and failed messages hold an error. */
export function packValue(value: unknown): unknown {
  const { error } = (value ?? {}) as { error?: unknown };
  return error === undefined ? value : { ...(value as object), error: packError(error) };
}

export function unpackValue<T>(value: T): T {
  const { error } = (value ?? {}) as { error?: ErrorPayload };
  return error === undefined ? value : { ...value, error: unpackError(error) };
}

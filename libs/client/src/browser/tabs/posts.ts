/** What tabs post to each other. All of it is plain values: errors go as what an ERROR frame would say. */
import { CarillonError, type ErrorPayload, type ReadPayload, type SendPayload } from "@carillon/protocol";
import type { ClientState } from "../../connection/client-state";
import type { Calls, CoreEvents } from "../../core";

/** What may be asked of the tab that has the connection. */
export type CallName = keyof Calls | "watch";

export type Post =
  /** A tab has come, and wants to know who has the connection. */
  | { kind: "hello"; from: string }
  /** It is this one, and so it stands. To all tabs, or to one. */
  | {
      kind: "leader";
      from: string;
      to?: string;
      state: unknown;
      userId?: string;
      unsent: SendPayload[];
      unread: ReadPayload[];
    }
  | { kind: "call"; from: string; to: string; id: number; name: CallName; args: unknown[] }
  | { kind: "answer"; to: string; id: number; value?: unknown; error?: ErrorPayload }
  /** To all tabs. @param id of those that must not be lost: each tab answers when its listeners are done */
  | { kind: "event"; from: string; name: keyof CoreEvents; value: unknown; id?: number }
  | { kind: "done"; from: string; to: string; id: number };

export function packError(error: unknown): ErrorPayload {
  if (error instanceof CarillonError) return error.toPayload();
  const { code, message } = error as { code?: unknown; message?: string };
  return { ...new CarillonError("INTERNAL", message).toPayload(), ...(typeof code === "number" && { code }) };
}

/** States and failed messages hold an error. */
export function packValue(value: unknown): unknown {
  const { error } = (value ?? {}) as { error?: unknown };
  return error === undefined ? value : { ...(value as object), error: packError(error) };
}

export function unpackValue<T>(value: T): T {
  const { error } = (value ?? {}) as { error?: ErrorPayload };
  return error === undefined ? value : { ...value, error: CarillonError.fromPayload(error) };
}

export const unpackState = (state: unknown): ClientState => unpackValue(state as ClientState);

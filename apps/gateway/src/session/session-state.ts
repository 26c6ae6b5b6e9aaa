/**
 * A session is in one of these states, and each holds only its own data. The table below says what a command does
 * in each of them; nothing else decides.
 */

import type { VerifiedToken } from "@carillon/base/node";
import { Command } from "@carillon/protocol";
import type { IncomingFrame } from "../accept/client-connection";

export interface Identity {
  userId: string;
  deviceId: string;
  platform: string;
  /** Absent: a token of another issuer. */
  tokenVersion?: number;
  /** The log-in that the token belongs to. */
  login?: string;
}

/** Who a token says that its bearer is. */
export function identityOf({ userId, deviceId, platform, tokenVersion, login }: VerifiedToken): Identity {
  const version = tokenVersion === undefined ? {} : { tokenVersion };
  return { userId, deviceId, platform, ...version, ...(login === undefined ? {} : { login }) };
}

export type SessionState =
  /** Accepted; CONNECT is awaited, or due. */
  | { phase: "new"; isDue?: true }
  /** CONNECT is being answered; what the client sends meanwhile is held, up to a bound. */
  | { phase: "opening"; identity: Identity; held: IncomingFrame[] }
  | { phase: "open"; identity: Identity; tokenExpiresAt: number }
  | { phase: "closed" };

export type Action =
  /** The command's own handler. */
  | "process"
  /** Kept until the session is open. */
  | "hold"
  /** ERROR NOT_AUTHENTICATED and close. */
  | "refuse"
  /** ERROR UNKNOWN_COMMAND, the connection stays. */
  | "unknown"
  | "ignore";

const FROM_CLIENT: ReadonlySet<number> = new Set([
  Command.PING,
  Command.DISCONNECT,
  Command.TOKEN,
  Command.SEND,
  Command.RECEIVED,
  Command.PULL,
  Command.SYNC,
  Command.READ,
  Command.RECALL,
  Command.TYPING,
  Command.FOCUS,
  Command.WATCH_PRESENCE,
]);

/** What a command does in a phase. */
export function actionOn(phase: SessionState["phase"], command: number): Action {
  if (phase === "closed") return "ignore";
  const connect = command === Command.CONNECT;
  switch (phase) {
    case "new":
      return connect ? "process" : "refuse";
    case "opening":
      if (connect) return "unknown";
      return command === Command.DISCONNECT ? "process" : "hold";
    case "open":
      return FROM_CLIENT.has(command) ? "process" : "unknown";
  }
}

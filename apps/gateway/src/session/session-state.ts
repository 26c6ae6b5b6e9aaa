/**
 * A session is in one of these states, and each state holds only its own data. `actionOn` alone decides what a command does
 * in each state.
 */

import type { VerifiedToken } from "@carillon/base/node";
import { Command } from "@carillon/protocol";
import type { IncomingFrame } from "../accept/client-connection";

export interface Identity {
  userId: string;
  deviceId: string;
  platform: string;
  /** Absent in tokens of another issuer. */
  tokenVersion?: number;
  /** The log-in to which the token belongs. */
  login?: string;
}

/** The identity that a token names. */
export function identityOf({ userId, deviceId, platform, tokenVersion, login }: VerifiedToken): Identity {
  const version = tokenVersion === undefined ? {} : { tokenVersion };
  return { userId, deviceId, platform, ...version, ...(login === undefined ? {} : { login }) };
}

export type SessionState =
  /** The connection is accepted and the client has not sent CONNECT. `isDue`: the time for it is over. */
  | { phase: "new"; isDue?: true }
  /** CONNECT is being answered; frames that the client sends meanwhile are held, up to a bound of bytes. */
  | { phase: "opening"; identity: Identity; held: IncomingFrame[] }
  | { phase: "open"; identity: Identity; tokenExpiresAt: number }
  | { phase: "closed" };

export type Action =
  /** The command is handled. */
  | "process"
  /** The frame is held until the session is open. */
  | "hold"
  /** The client gets ERROR NOT_AUTHENTICATED, and the connection is closed. */
  | "refuse"
  /** The client gets ERROR UNKNOWN_COMMAND; the connection stays open. */
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

/** The effect of a command in a phase. */
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

/** Questions of gateways about the connections of devices, served by workers. */
import type { ErrorName } from "@carillon/protocol";
import type { InboxPage } from "./inboxes";
import { question } from "./question";

/** Registers a device's connection. */
export const sessionOpen = question<SessionOpen, SessionOpened>("session.open");

export interface SessionOpen {
  userId: string;
  deviceId: string;
  platform: string;
  /** Absent: another issuer made the token. */
  tokenVersion?: number;
  /** The log-in to which the token belongs; absent: any. */
  login?: string;
  gateway: string;
  boot: string;
  connection: number;
  /** When the connection was accepted, ms on the cluster's clock: an older open does not replace a newer one. */
  since: number;
  /** The cursor that the client names, with the inbox's epoch; absent: the stored cursor counts. */
  inbox?: { epoch: string; seq: number };
}

export interface SessionOpened {
  /** Head of the inbox at this moment, with the inbox's epoch. */
  inbox: { epoch: string; seq: number };
  resume: "none" | "replay" | "resync";
  /** With `replay`: the last number that the device has. */
  from: number;
  /**
   * Numbers by conversation up to which the device has received messages by its own statement, but for which no receipt
   * arrived.
   */
  delivered: [conversationId: string, seq: number][];
  /** With `replay`: the first events after that number. Absent: the gateway has to ask for them. */
  page?: InboxPage;
}

/** Asks whether open sessions may stay, judged by the tokens that opened them. */
export const sessionCheck = question<SessionCheck, SessionVerdicts>("session.check");

export interface SessionCheck {
  sessions: Pick<SessionOpen, "userId" | "deviceId" | "tokenVersion" | "login">[];
}

/** The reason why a session may not stay, or null; in the order of the question. */
export type SessionVerdicts = (ErrorName | null)[];

/** Removes the entry of a session from the session registry if the entry still belongs to this connection. */
export const sessionClose = question<SessionClose, null>("session.close", { deadlineMs: 3_000 });

export interface SessionClose {
  userId: string;
  deviceId: string;
  gateway: string;
  boot: string;
  connection: number;
  /** When the connection ended, ms on the cluster's clock. */
  endedAt: number;
}

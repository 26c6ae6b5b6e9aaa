/** Questions of gateways about inboxes and marks, served by workers; and PULL and SYNC, served by apis. */
import { TIMINGS } from "../timings";
import { question } from "./question";

/** Reads the events of an inbox above `after`, in order, at most 64 and 60 KiB. */
export const inboxRead = question<InboxRead, InboxPage>("inbox");

export interface InboxRead {
  userId: string;
  /** The inbox's epoch as the gateway knows it. */
  epoch: string;
  after: number;
}

export interface InboxPage {
  /** The inbox's present epoch; another epoch than in the question means resync. */
  epoch: string;
  /** Head of the inbox. */
  seq: number;
  events: [inboxSeq: number, event: Uint8Array][];
}

/** Reads the heads of these users' inboxes. */
export const headsRead = question<HeadsRead, Heads>("heads");

export interface HeadsRead {
  userIds: string[];
}

export type Heads = [userId: string, inboxEpoch: string, seq: number][];

/** Reports the events that devices have received; answered when MySQL has the marks. */
export const receivedReport = question<Received, null>("received", { deadlineMs: TIMINGS.deliveredAnswerMs });

export interface Received {
  /** Cursors of the devices in their inboxes. */
  cursors: [userId: string, deviceId: string, inboxEpoch: string, inboxSeq: number][];
  /** Delivered marks: the highest event of the other user in each private conversation. */
  delivered: [conversationId: string, userId: string, seq: number][];
  /** The gateway reported the mark before, perhaps in vain: the worker notifies the senders in any case. */
  isRepeated: boolean;
}

/** Asks for the large groups of these users according to MySQL. */
export const largeGroupsRead = question<LargeGroupsRead, LargeGroupsOf>("groups");

export interface LargeGroupsRead {
  userIds: string[];
}

export type LargeGroupsOf = [userId: string, groupIds: string[]][];

/** Asks an api for a page of a conversation's history. */
export const pullQuestion = question<Pull, Pulled>("pull", { deadlineMs: 5_000 });

export interface Pull {
  userId: string;
  conversationId: string;
  fromSeq: number;
  toSeq?: number;
  limit: number;
  backwards: boolean;
}

export interface Pulled {
  events: Uint8Array[];
  /** Last number of the conversation. */
  lastSeq: number;
  more: boolean;
}

/** Asks an api for a page of SYNC; question and answer hold the payloads of SYNC and SYNCED. */
export const syncQuestion = question<Sync, object>("sync", { deadlineMs: 5_000 });

export interface Sync {
  userId: string;
  payload: Record<string, unknown>;
}

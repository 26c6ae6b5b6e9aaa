/**
 * Questions to the owner of a partition. All of them share the owner's subject; the key `ask` names the question, and decides
 * the type of the answer (`askOwner` and `serveOwner` in rpc/owner.ts).
 */
import { ownerSubject } from "../streams/definitions";
import { questionTo } from "./question";

export interface OwnerQuestions {
  "last-seq": { question: { conversationId: string }; answer: LastSeq };
  /** Asks up to which number each of these users may have read; 0: the user may read nothing there. */
  readable: { question: { wanted: [conversationId: string, userId: string][] }; answer: Readable };
  /** Asks whom to tell that this user is typing there. */
  listeners: { question: { conversationId: string; userId: string }; answer: Listeners };
  state: { question: unknown; answer: OwnerState };
  /** Says that the successor is ready to take the partition over. */
  "hand-over": { question: unknown; answer: null };
  /** Asks what a user may read of a group's conversation. */
  "group-spans": { question: { groupId: string; userId: string }; answer: ReadableSpans };
  /** Says that a group has changed in MySQL; answered when its conversation has the events. */
  "group-changed": { question: { groupId: string }; answer: null };
  /** Asks which of these users belong to a group. */
  "group-roster": { question: { groupId: string; userIds: string[] }; answer: GroupRoster };
}

export type OwnerAsk = keyof OwnerQuestions;
export type OwnerQuestion<Ask extends OwnerAsk = OwnerAsk> = {
  [One in Ask]: { ask: One } & OwnerQuestions[One]["question"];
}[Ask];
export type OwnerAnswer<Ask extends OwnerAsk = OwnerAsk> = OwnerQuestions[Ask]["answer"];

export const ownerQuestion = questionTo<[partition: number], OwnerQuestion, OwnerAnswer>(ownerSubject);

/** Times for answers that differ from the time of `ownerQuestion`, ms. A late hint about typing is of no use. */
export const OWNER_DEADLINES_MS: Partial<Record<OwnerAsk, number>> = { listeners: 1_000 };

export interface LastSeq {
  lastSeq: number;
}

/** In the order of the question. */
export type Readable = number[];

/** The users to tell; none where the typing user may not write, or where the group is too large for typing. */
export type Listeners = string[];

export interface OwnerState {
  nodeId: string;
  /** The owner's epoch. */
  epoch: number;
  covered: number;
  /** Sequence of the last record in the log. */
  lastSeq: number;
  fanout: number;
  /** Waiting time of the oldest event that is not delivered, ms. An owner of an older version does not name it. */
  fanoutLagMs?: number;
  /** Whether deliveries fail, or wait for a store that does not answer. */
  fanoutStalled?: boolean;
  /** Requests that wait for an answer of MySQL. */
  parked?: number;
}

/** The numbers of a conversation that a user may read: one span for each of their stays, ascending; both ends inclusive. */
export interface ReadableSpans {
  spans: [from: number, to: number][];
  /** Last number of the conversation. */
  lastSeq: number;
}

export interface GroupRoster {
  /** Whether the members have to fetch events: the group is large. */
  isLarge: boolean;
  /** Last number of the conversation: the roster is the state after this event. */
  lastSeq: number;
  /** The users of the question who belong to the group, with their first numbers. */
  members: [userId: string, from: number][];
}

/** Questions between the processes: subject by subject, what is asked and what is answered. */
import type { ErrorName } from "@carillon/protocol";
import { controlSubject, ownerSubject, rpcSubject } from "../streams/definitions";

/** `im.rpc.session.open`, served by workers: registers a device's connection. */
export interface SessionOpen {
  userId: string;
  deviceId: string;
  platform: string;
  /** Absent: the token is of another issuer. */
  tokenVersion?: number;
  /** The log-in that the token belongs to; absent: any. */
  login?: string;
  gateway: string;
  boot: string;
  connection: number;
  /** When the connection was accepted, ms on the cluster's clock: an older open does not replace a newer one. */
  since: number;
  /** What the client says it has; absent: the stored cursor counts. */
  inbox?: { epoch: string; seq: number };
}

export interface SessionOpened {
  /** Head of the inbox at this moment. */
  inbox: { epoch: string; seq: number };
  resume: "none" | "replay" | "resync";
  /** With `replay`: the last number that the device has. */
  from: number;
  /** What the device has by its own word, and of which no receipt has come: up to which number, by conversation. */
  delivered: [conversationId: string, seq: number][];
  /** With `replay`: the first of what is behind that number. Absent: it has to be asked for. */
  page?: InboxPage;
}

/** `im.rpc.session.check`, served by workers: whether sessions that are open may stay, by the tokens that opened them. */
export interface SessionCheck {
  sessions: Pick<SessionOpen, "userId" | "deviceId" | "tokenVersion" | "login">[];
}
/** Why a session may not stay, or null; in the order of the question. */
export type SessionVerdicts = (ErrorName | null)[];

/** `im.rpc.session.close`, served by workers: removes the entry if it is still this connection's. */
export interface SessionClose {
  userId: string;
  deviceId: string;
  gateway: string;
  boot: string;
  connection: number;
  /** When the connection ended, ms on the cluster's clock. */
  endedAt: number;
}

/** `im.rpc.received`, served by workers: what devices have; answered when MySQL has the marks. */
export interface Received {
  /** How far the devices have come in their inboxes. */
  cursors: [userId: string, deviceId: string, epoch: string, inboxSeq: number][];
  /** What became delivered: the highest event of others, in private conversations. */
  delivered: [conversationId: string, userId: string, seq: number][];
  /** It was told before, perhaps in vain: the senders are to hear of it in any case. */
  isRepeated: boolean;
}

/** `im.rpc.inbox`, served by workers: events of an inbox above `after`, in order, at most 64 and 60 KiB. */
export interface InboxRead {
  userId: string;
  epoch: string;
  after: number;
}

export interface InboxPage {
  /** The epoch now; another one than asked for means resync. */
  epoch: string;
  /** Head of the inbox. */
  seq: number;
  events: [inboxSeq: number, event: Uint8Array][];
}

/** `im.rpc.heads`, served by workers: where the inboxes of these users stand. */
export interface HeadsRead {
  userIds: string[];
}
export type Heads = [userId: string, epoch: string, seq: number][];

/** `im.rpc.groups`, served by workers: which large groups these users belong to, as far as MySQL knows it. */
export interface LargeGroupsRead {
  userIds: string[];
}
export type LargeGroupsOf = [userId: string, groupIds: string[]][];

/** `im.rpc.presence`, served by workers: who is online, for those who may know. */
export interface PresenceRead {
  wanted: [watcherId: string, userIds: string[]][];
}

export interface PresenceFound {
  /** Whom each watcher may see, in the order of the question. */
  visible: string[][];
  /**
   * Who blocks a watcher, and when they were seen last as that one is told; in the order of the question. Older workers do
   * not say it.
   */
  frozen?: [userId: string, lastSeenAt: number][][];
  /** Everybody whom somebody of them may see. */
  users: UserAtGateways[];
}

/** Where a user is: devices of these platforms at these gateways. */
export interface UserAtGateways {
  userId: string;
  /** As they are registered: a gateway may have died since. */
  at: AtGateway[];
  /** When a connection of his was opened or closed last, ms; 0: not known. */
  lastSeenAt: number;
}

export interface AtGateway {
  gateway: string;
  boot: string;
  platforms: string[];
}

/** `im.rpc.typing.<gateway>`, told to the gateways where the others may be: a hint, lost when nobody is there. */
export interface TypingHint {
  conversationId: string;
  /** Who is typing. */
  userId: string;
  /** Who is to know. */
  to: string[];
}

/** `im.rpc.pull`, served by the api. */
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
  lastSeq: number;
  more: boolean;
}

/** `im.rpc.sync`, served by the api; question and answer are the payloads of SYNC and SYNCED. */
export interface Sync {
  userId: string;
  payload: Record<string, unknown>;
}

/** `im.rpc.owner.<p>`, served by the owner of the partition. */
export type OwnerQuestion =
  | { ask: "last-seq"; conversationId: string }
  /** Up to which number each of these users may have read; 0: none of it is his. */
  | { ask: "readable"; wanted: [conversationId: string, userId: string][] }
  /** Who is to know that this user is typing there. */
  | { ask: "listeners"; conversationId: string; userId: string }
  | { ask: "state" }
  /** The heir of the partition is ready to take it. */
  | { ask: "hand-over" }
  /** What a user may read of a group's conversation. */
  | { ask: "group-spans"; groupId: string; userId: string }
  /** A group has changed in MySQL; answered when its conversation knows it. */
  | { ask: "group-changed"; groupId: string }
  /** Who of these users belongs to a group. */
  | { ask: "group-roster"; groupId: string; userIds: string[] };

export interface GroupRoster {
  /** Whether its members have to fetch what is said. */
  isLarge: boolean;
  /** Last number of the conversation: the members are those of after this event. */
  lastSeq: number;
  /** Those of the users asked about who belong to it, with their first numbers. */
  members: [userId: string, from: number][];
}

/** What a user may read of a conversation: one span for each of his stays, ascending; both ends inclusive. */
export interface ReadableSpans {
  spans: [from: number, to: number][];
  /** Last number of the conversation. */
  lastSeq: number;
}

export interface LastSeq {
  lastSeq: number;
}

/** In the order of the question. */
export type Readable = number[];

/** The users; nobody where he may not write, or where so many belong that nobody cares. */
export type Listeners = string[];

export interface OwnerState {
  nodeId: string;
  epoch: number;
  covered: number;
  lastSeq: number;
  fanout: number;
  /** How long the oldest event that is not delivered has waited, ms. An owner of an older version does not say. */
  fanoutLagMs?: number;
  /** Whether deliveries fail, or wait for a store that does not answer. */
  fanoutStalled?: boolean;
  /** Requests that wait for an answer of MySQL. */
  parked?: number;
}

/** Receipt in the queue `im.receipts.<p>`: a user has read a conversation up to seq. */
export interface ReadReceipt {
  userId: string;
  deviceId: string;
  conversationId: string;
  seq: number;
}

export const subjects = {
  sessionOpen: rpcSubject("session.open"),
  sessionCheck: rpcSubject("session.check"),
  sessionClose: rpcSubject("session.close"),
  received: rpcSubject("received"),
  inbox: rpcSubject("inbox"),
  heads: rpcSubject("heads"),
  groups: rpcSubject("groups"),
  presence: rpcSubject("presence"),
  typing: (gateway: string) => rpcSubject(`typing.${gateway}`),
  pull: rpcSubject("pull"),
  sync: rpcSubject("sync"),
  owner: ownerSubject,
  control: controlSubject,
} as const;

/** Users, and pairs of users, of whom something changed that workers remember. */
export interface People {
  users: string[];
  pairs: [string, string][];
}

/** `im.ctl.<role>.<node>`, served by the node itself: orders of operators. */
export type ControlQuestion =
  | { ask: "state" }
  | { ask: "drain" }
  | { ask: "undrain" }
  | { ask: "kick"; userId: string; deviceId?: string }
  | ({ ask: "forget" } & People)
  /** Forgets the failed log-ins of a user; given to apis. */
  | { ask: "unlock"; userId: string }
  /** Arms a fail point for one strike, or with `off` disarms them all; tests only. */
  | { ask: "failpoint"; at: string };

export interface ControlAnswer {
  nodeId: string;
  state: string;
  /** Numbers that tell how busy the node is, by name. */
  load: Record<string, number>;
  /** Fingerprint of the gateway ring as this node sees it; told by gateways. */
  ring?: string;
}

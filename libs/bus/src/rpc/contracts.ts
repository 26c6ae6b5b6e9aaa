/** The questions between the processes, with their answers, by subject. */
import type { ErrorName } from "@carillon/protocol";
import { controlSubject, ownerSubject, rpcSubject } from "../streams/definitions";

/** `im.rpc.session.open`, served by workers: registers a device's connection. */
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
  /** The cursor that the client names; absent: the stored cursor counts. */
  inbox?: { epoch: string; seq: number };
}

export interface SessionOpened {
  /** Head of the inbox at this moment. */
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

/** `im.rpc.session.check`, served by workers: whether open sessions may stay, judged by the tokens that opened them. */
export interface SessionCheck {
  sessions: Pick<SessionOpen, "userId" | "deviceId" | "tokenVersion" | "login">[];
}
/** The reason why a session may not stay, or null; in the order of the question. */
export type SessionVerdicts = (ErrorName | null)[];

/** `im.rpc.session.close`, served by workers: removes the entry if it still belongs to this connection. */
export interface SessionClose {
  userId: string;
  deviceId: string;
  gateway: string;
  boot: string;
  connection: number;
  /** When the connection ended, ms on the cluster's clock. */
  endedAt: number;
}

/** `im.rpc.received`, served by workers: the events that devices have received; answered when MySQL has the marks. */
export interface Received {
  /** Cursors of the devices in their inboxes. */
  cursors: [userId: string, deviceId: string, epoch: string, inboxSeq: number][];
  /** Delivered marks: the highest event of the other user in each private conversation. */
  delivered: [conversationId: string, userId: string, seq: number][];
  /** The mark was told before, perhaps in vain: the worker tells the senders in any case. */
  isRepeated: boolean;
}

/** `im.rpc.inbox`, served by workers: events of an inbox above `after`, in order, at most 64 and 60 KiB. */
export interface InboxRead {
  userId: string;
  epoch: string;
  after: number;
}

export interface InboxPage {
  /** The present epoch; another epoch than in the question means resync. */
  epoch: string;
  /** Head of the inbox. */
  seq: number;
  events: [inboxSeq: number, event: Uint8Array][];
}

/** `im.rpc.heads`, served by workers: the heads of these users' inboxes. */
export interface HeadsRead {
  userIds: string[];
}
export type Heads = [userId: string, epoch: string, seq: number][];

/** `im.rpc.groups`, served by workers: the large groups of these users according to MySQL. */
export interface LargeGroupsRead {
  userIds: string[];
}
export type LargeGroupsOf = [userId: string, groupIds: string[]][];

/** `im.rpc.presence`, served by workers: the users who are online, for watchers who may know it. */
export interface PresenceRead {
  wanted: [watcherId: string, userIds: string[]][];
}

export interface PresenceFound {
  /** The users whom each watcher may see, in the order of the question. */
  visible: string[][];
  /**
   * The users who block a watcher, with the times of their last presence that this watcher is told; in the order of the
   * question. Older workers do not name them.
   */
  frozen?: [userId: string, lastSeenAt: number][][];
  /** All users whom at least one of the watchers may see. */
  users: UserAtGateways[];
}

/** The connections of a user: platforms by gateway. */
export interface UserAtGateways {
  userId: string;
  /** From the session registry: a gateway may have died since. */
  at: AtGateway[];
  /** Time at which a connection of the user was last opened or closed, ms; 0: unknown. */
  lastSeenAt: number;
}

export interface AtGateway {
  gateway: string;
  boot: string;
  platforms: string[];
}

/** `im.rpc.typing.<gateway>`, sent to the gateways where the other users may be: a hint, lost when no gateway listens. */
export interface TypingHint {
  conversationId: string;
  /** The typing user. */
  userId: string;
  /** The users to tell. */
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
  /** Asks up to which number each of these users may have read; 0: the user may read nothing there. */
  | { ask: "readable"; wanted: [conversationId: string, userId: string][] }
  /** Asks whom to tell that this user is typing there. */
  | { ask: "listeners"; conversationId: string; userId: string }
  | { ask: "state" }
  /** Tells that the successor is ready to take the partition over. */
  | { ask: "hand-over" }
  /** Asks what a user may read of a group's conversation. */
  | { ask: "group-spans"; groupId: string; userId: string }
  /** Tells that a group has changed in MySQL; answered when its conversation has the events. */
  | { ask: "group-changed"; groupId: string }
  /** Asks which of these users belong to a group. */
  | { ask: "group-roster"; groupId: string; userIds: string[] };

export interface GroupRoster {
  /** Whether the members have to fetch events: the group is large. */
  isLarge: boolean;
  /** Last number of the conversation: the roster is the state after this event. */
  lastSeq: number;
  /** The users of the question who belong to the group, with their first numbers. */
  members: [userId: string, from: number][];
}

/** The numbers of a conversation that a user may read: one span for each of their stays, ascending; both ends inclusive. */
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

/** The users to tell; none where the typing user may not write, or where the group is too large for typing. */
export type Listeners = string[];

export interface OwnerState {
  nodeId: string;
  epoch: number;
  covered: number;
  lastSeq: number;
  fanout: number;
  /** Waiting time of the oldest event that is not delivered, ms. An owner of an older version does not name it. */
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

/** Users, and pairs of users, whose cached facts have changed. */
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
  /** Forgets the failed log-ins of a user; only for apis. */
  | { ask: "unlock"; userId: string }
  /** Arms a fail point for one strike, or with `off` disarms them all; tests only. */
  | { ask: "failpoint"; at: string };

export interface ControlAnswer {
  nodeId: string;
  state: string;
  /** Numbers that show how busy the node is, by name. */
  load: Record<string, number>;
  /** Fingerprint of this node's ring of gateways; only gateways name it. */
  ring?: string;
}

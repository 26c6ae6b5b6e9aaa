/**
 * What a run leaves behind: what every client did and saw, and what the stores held when all was quiet. The checker
 * needs nothing else, so a run can be judged again from a file, and a test can write a history by hand.
 *
 * All times are ms of one monotonic clock, that of the process which recorded them.
 */

/** What identifies a message wherever it is seen. */
export interface MessageFacts {
  conversationId: string;
  seq: number;
  messageId: string;
  senderId: string;
  clientMsgId: string;
  content: string;
}

/** An event as MySQL has it. */
export interface ArchivedFacts extends MessageFacts {
  kind: "message" | "recall" | "system";
  /** Of one that takes a message back. */
  targetSeq?: number;
}

/** A number that the server gave: SENT. */
export interface Answer {
  at: number;
  seq: number;
  messageId: string;
}

/** A message that a device wanted to send, with all that came of it. */
export interface SentMessage {
  device: string;
  senderId: string;
  conversationId: string;
  clientMsgId: string;
  content: string;
  /** Place among the messages that the device first sent, ascending. */
  order: number;
  sentAt: number;
  /** Had to be sent again, because it was refused or had no answer: those behind it may have overtaken it. */
  repeated: boolean;
  answers: Answer[];
  /** Names of errors, in order; after BUSY and the like the message was sent again. */
  refusals: { at: number; name: string }[];
}

/** An event as an app got it, once per time that it got it. */
export interface ShownEvent extends MessageFacts {
  at: number;
  /** Told by the server, or fetched after a resync. */
  by: "deliver" | "pull";
}

/** An event as it came over the wire, repetitions after a reconnect included. */
export interface Delivery {
  at: number;
  /** Number of the device's connection. */
  connection: number;
  epoch: string;
  inboxSeq: number;
  conversationId: string;
  seq: number;
}

/** A READ that a device sent. */
export interface SentRead {
  conversationId: string;
  seq: number;
  /** Undefined: nobody has answered it. */
  answeredAt: number | undefined;
}

/** How far a device was told that somebody has read, or has, a conversation: the highest number. */
export interface ToldMark {
  kind: "read" | "delivered";
  conversationId: string;
  /** Whose mark it is. */
  userId: string;
  seq: number;
}

export interface DeviceHistory {
  name: string;
  userId: string;
  shown: ShownEvent[];
  reads: SentRead[];
  marks: ToldMark[];
  /** Known of raw clients; the SDK does not tell. */
  deliveries: Delivery[];
  /** When it was told to compare everything. */
  resyncs: number[];
  /** When it came online (with its gateway) and when it was no more. */
  changes: { at: number; online: boolean; gatewayId?: string }[];
}

/** A device whose tokens were revoked while it was online and events came to it. */
export interface RevokedDevice {
  name: string;
  /** When the api said that the tokens are void. */
  answeredAt: number;
  /** It said also that every gateway had confirmed it. */
  isConfirmed: boolean;
  /** When its connection was closed; undefined: never. */
  closedAt: number | undefined;
  /** When events came to it. */
  events: number[];
  /** What CONNECT with the old token was answered by afterwards: CONNECTED, or the name of an error. */
  reconnect: string;
}

/** One record of a partition's log. */
export interface LoggedRecord {
  partition: number;
  seq: number;
  /** When NATS stored it. */
  at: number;
  epoch: number;
  boot: string;
  append: number;
  covered: number;
  fanout: number;
  kind: string;
  events: MessageFacts[];
}

/** A user's inbox in Redis. */
export interface InboxSnapshot {
  userId: string;
  epoch: string;
  /** Number of the newest event. */
  head: number;
  events: { inboxSeq: number; conversationId: string; seq: number; hasContent: boolean }[];
}

/** The queue of a partition, as JetStream tells it. */
export interface QueueSnapshot {
  partition: number;
  messages: number;
  consumers: { name: string; pending: number; ackPending: number }[];
}

/** Most of something that must stay bounded, seen during the run: memory of a process, messages in a queue. */
export interface Peak {
  what: string;
  most: number;
  bound: number;
}

/** From which number to which (both inclusive) a user belonged to a group. */
export interface Stay {
  conversationId: string;
  userId: string;
  from: number;
  to: number;
}

/** A conversation as its member's list has it when all is quiet. */
export interface ListedRow {
  userId: string;
  conversationId: string;
  lastSeq: number;
  readSeq: number;
  unread: number;
  /** Of private conversations with somebody else. */
  peerReadSeq?: number;
  peerDeliveredSeq?: number;
}

/** The list that a device keeps by itself, when all is quiet. */
export interface DeviceView {
  device: string;
  rows: ListedRow[];
}

export interface Place {
  conversationId: string;
  seq: number;
}

export interface Evidence {
  messages: SentMessage[];
  devices: DeviceHistory[];
  revoked: RevokedDevice[];
  log: LoggedRecord[];
  archive: ArchivedFacts[];
  /** Of all groups; who belongs to a private conversation its id says. */
  stays: Stay[];
  /** Events that members fetch, because their group was large: in inboxes are those by which one comes or goes. */
  fetched: Place[];
  /** Messages that were taken back. */
  recalled: Place[];
  inboxes: InboxSnapshot[];
  /** Of everybody whose list was asked for. */
  rows: ListedRow[];
  /** Of devices that keep one. */
  views: DeviceView[];
  queues: QueueSnapshot[];
  peaks: Peak[];
}

/** The users of a private conversation. */
export function membersOf(conversationId: string): string[] {
  return [...new Set(conversationId.split(":").slice(1))];
}

/**
 * The evidence of a run: the actions and observations of every client, and the content of the stores when the cluster was
 * quiet. The checker needs nothing else, so a run can be judged again from a file, and a test can write a history by hand.
 *
 * All times are ms of one monotonic clock: that of the recording process.
 */

/** The identity of a message for all observers. */
export interface MessageFacts {
  conversationId: string;
  seq: number;
  messageId: string;
  senderId: string;
  clientMsgId: string;
  content: string;
}

/** An event in MySQL. */
export interface ArchivedFacts extends MessageFacts {
  kind: "message" | "recall" | "system";
  /** For a recall: the number of the recalled message. */
  targetSeq?: number;
}

/** The number in a SENT. */
export interface Answer {
  at: number;
  seq: number;
  messageId: string;
}

/** A message that a device wanted to send, with all answers. */
export interface SentMessage {
  device: string;
  senderId: string;
  conversationId: string;
  clientMsgId: string;
  content: string;
  /** Place in the order in which the device first sent its messages, ascending. */
  order: number;
  sentAt: number;
  /** Whether the device had to repeat it, because it was refused or had no answer: later messages may have overtaken it. */
  repeated: boolean;
  answers: Answer[];
  /** Names of errors, in order; after BUSY and the like the message was sent again. */
  refusals: { at: number; name: string }[];
}

/** An event that an app got; there is one entry for each time. */
export interface ShownEvent extends MessageFacts {
  at: number;
  /** Whether the server delivered it, or the app fetched it after a resync. */
  by: "deliver" | "pull";
}

/** An event on the wire, including repetitions after a reconnect. */
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
  /** Undefined: there was no answer. */
  answeredAt: number | undefined;
}

/** The highest read or delivered mark of a user that a device was told. */
export interface ToldMark {
  kind: "read" | "delivered";
  conversationId: string;
  /** The user of the mark. */
  userId: string;
  seq: number;
}

export interface DeviceHistory {
  name: string;
  userId: string;
  shown: ShownEvent[];
  reads: SentRead[];
  marks: ToldMark[];
  /** Known for raw clients only; the SDK does not tell it. */
  deliveries: Delivery[];
  /** Times at which it was told to resync. */
  resyncs: number[];
  /** Times at which the device came online (with its gateway) and went offline. */
  changes: { at: number; online: boolean; gatewayId?: string }[];
}

/** A device whose tokens were revoked while it was online and received events. */
export interface RevokedDevice {
  name: string;
  /** Time of the api's answer that the tokens are void. */
  answeredAt: number;
  /** Whether the answer also said that every gateway had confirmed. */
  isConfirmed: boolean;
  /** Time at which its connection was closed; undefined: never. */
  closedAt: number | undefined;
  /** Times at which it received events. */
  events: number[];
  /** Answer to a later CONNECT with the old token: CONNECTED, or the name of an error. */
  reconnect: string;
}

/** One record of a partition's log. */
export interface LoggedRecord {
  partition: number;
  seq: number;
  /** Time at which NATS stored it. */
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

/** The queue of a partition, from JetStream. */
export interface QueueSnapshot {
  partition: number;
  messages: number;
  consumers: { name: string; pending: number; ackPending: number }[];
}

/** Maximum of a limited quantity during the run: memory of a process, messages in a queue. */
export interface Peak {
  what: string;
  most: number;
  bound: number;
}

/** A stay: the numbers from which and to which (both inclusive) a user belonged to a group. */
export interface Stay {
  conversationId: string;
  userId: string;
  from: number;
  to: number;
}

/** A conversation in a member's list when the cluster is quiet. */
export interface ListedRow {
  userId: string;
  conversationId: string;
  lastSeq: number;
  readSeq: number;
  unread: number;
  /** Only for private conversations with another user. */
  peerReadSeq?: number;
  peerDeliveredSeq?: number;
}

/** The list that a device keeps by itself, when the cluster is quiet. */
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
  /** Stays in all groups; the id of a private conversation names its users. */
  stays: Stay[];
  /** Events that members fetch, because their group was large; inboxes contain only those by which their user joined or left. */
  fetched: Place[];
  /** Recalled messages. */
  recalled: Place[];
  inboxes: InboxSnapshot[];
  /** Lists of all users whose list the machine asked for. */
  rows: ListedRow[];
  /** Lists of the devices that keep one. */
  views: DeviceView[];
  queues: QueueSnapshot[];
  peaks: Peak[];
}

/** The users of a private conversation. */
export function membersOf(conversationId: string): string[] {
  return [...new Set(conversationId.split(":").slice(1))];
}

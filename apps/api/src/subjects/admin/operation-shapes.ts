/** Bodies of the answers to operators' questions. */
import { type TSchema, Type } from "typebox";
import { strict, time } from "../../http/shapes";

const orNull = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const text = Type.String();
const count = Type.Integer();

export const nodes = Type.Object({
  items: Type.Array(
    Type.Object({
      nodeId: text,
      role: Type.String({ examples: ["gateway"] }),
      boot: text,
      version: Type.String({ examples: ["0.1.0"] }),
      state: Type.String({ examples: ["up"], description: "`silent`: registered, but does not answer" }),
      weight: Type.Number(),
      addresses: Type.Record(text, text),
      startedAt: time,
      connections: orNull(count),
      load: Type.Record(text, Type.Number()),
      ring: orNull(text),
    }),
  ),
});

export const partitions = Type.Object({
  items: Type.Array(
    Type.Object({
      partition: count,
      owner: orNull(text),
      answers: Type.Boolean({ description: "Whether the owner answered" }),
      epoch: orNull(count),
      queueLength: Type.Integer({ description: "Requests that wait in the queue" }),
      logLength: Type.Integer({ description: "Records in the log" }),
      logBytes: count,
      covered: orNull(count),
      archiver: orNull(text),
      archiveLag: orNull(Type.Integer({ description: "Records that MySQL does not have yet" })),
    }),
  ),
});

export const traceQuery = strict({
  message: Type.String({
    maxLength: 100,
    examples: ["p:alice:bob#1"],
    description: "messageId, clientMsgId, or conversationId#seq",
  }),
});

const device = Type.Object({
  deviceId: text,
  gateway: orNull(text),
  live: Type.Boolean(),
  cursor: orNull(Type.Integer({ examples: [9] })),
  acknowledged: orNull(Type.Boolean()),
});

const member = Type.Object({
  userId: text,
  epoch: orNull(Type.String({ examples: ["w4Rk"] })),
  inboxSeq: orNull(count),
  devices: Type.Array(device),
  delivered: Type.Boolean(),
  read: Type.Boolean(),
});

export const trace = Type.Object({
  conversationId: text,
  seq: count,
  messageId: text,
  senderId: text,
  clientMsgId: text,
  acceptedAt: time,
  partition: count,
  logged: orNull(Type.Object({ record: count, index: count, storedAt: time, epoch: count, owner: orNull(text) })),
  fannedOut: orNull(Type.Boolean()),
  members: Type.Array(member, { description: "Users who have the message in their inboxes, or should have it" }),
  archived: Type.Object({ row: Type.Boolean(), passed: orNull(Type.Boolean()) }),
});

export const auditQuery = strict({ conversationId: Type.String({ maxLength: 131, examples: ["p:alice:bob"] }) });

export const audit = Type.Object({
  ok: Type.Boolean(),
  findings: Type.Array(Type.Object({ invariant: text, where: text, what: text })),
  more: Type.Integer({ description: "Number of findings that were left out" }),
  checked: Type.Object({
    partitions: count,
    conversations: count,
    rows: count,
    records: count,
    unarchived: count,
    queues: count,
    inboxes: count,
  }),
});

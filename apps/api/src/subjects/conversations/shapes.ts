/** Bodies of the answers about conversations and their history. */
import { contentTypeValues, conversationKindValues, eventKindValues } from "@carillon/protocol";
import { Type } from "typebox";
import { chosenSeq, cursor, limit, listOf, seq, strict, time } from "../../http/shapes";

export const historyQuery = strict({
  limit,
  before: Type.Optional(chosenSeq({ minimum: 1, description: "Exclusive upper bound; default: the newest messages" })),
});

const event = Type.Object({
  conversationId: Type.String(),
  seq,
  messageId: Type.String(),
  kind: Type.Enum([...eventKindValues]),
  senderId: Type.String(),
  clientMsgId: Type.String(),
  contentType: Type.Enum([...contentTypeValues]),
  content: Type.Optional(Type.String({ description: "Absent after a recall" })),
  targetSeq: Type.Optional(seq),
  sentAt: time,
});

export const history = Type.Object({
  conversationId: Type.String(),
  messages: Type.Array(event, { description: "In ascending order" }),
  lastSeq: seq,
  more: Type.Boolean({ description: "Whether there are older messages" }),
});

export const conversation = Type.Object({
  conversationId: Type.String(),
  kind: Type.Enum([...conversationKindValues]),
  lastSeq: seq,
  lastAt: time,
  readSeq: seq,
  peerReadSeq: Type.Optional(seq),
  peerDeliveredSeq: Type.Optional(seq),
  clearedSeq: seq,
  hiddenSeq: Type.Optional(Type.Integer({ minimum: 0, description: "Hidden until lastSeq is higher" })),
  unread: Type.Integer(),
  pinned: Type.Boolean(),
  muted: Type.Boolean(),
  preview: Type.Optional(
    Type.Object({
      senderId: Type.String(),
      contentType: Type.Enum([...contentTypeValues]),
      text: Type.String(),
    }),
  ),
});

export const conversations = listOf(conversation, "Newest lastAt first");

export const settingsBody = strict(
  {
    pinned: Type.Optional(Type.Boolean()),
    muted: Type.Optional(Type.Boolean()),
    clearedSeq: Type.Optional(chosenSeq({ minimum: 0, description: "Messages up to this number are no longer shown" })),
    hidden: Type.Optional(
      Type.Boolean({
        description: "Clients do not list the conversation until a new event arrives, or until it is false again",
      }),
    ),
    clear: Type.Optional(Type.Boolean({ description: "Messages that exist now are no longer shown" })),
  },
  { pinned: true },
);

export const placeParams = Type.Object({
  conversationId: Type.String(),
  seq: chosenSeq({ minimum: 1 }),
});

export const readers = Type.Object(
  {
    items: Type.Optional(
      Type.Array(Type.Object({ userId: Type.String(), readSeq: seq }), { description: "By id, without the sender" }),
    ),
    cursor,
    count: Type.Optional(Type.Integer({ description: "Number of readers, for a large group instead of items" })),
  },
  { examples: [{ items: [{ userId: "bob", readSeq: 1 }] }] },
);

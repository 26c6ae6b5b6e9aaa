/** Bodies of the answers about conversations and their history. */
import { contentTypeValues, conversationKindValues, eventKindValues } from "@carillon/protocol";
import { Type } from "typebox";
import { chosenSeq, cursor, limit, listOf, seq, strict, time } from "../http/shapes";

export const historyQuery = strict({
  limit,
  before: Type.Optional(chosenSeq({ minimum: 1, description: "Only numbers below; default: the newest" })),
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
  messages: Type.Array(event, { description: "Ascending" }),
  lastSeq: seq,
  more: Type.Boolean({ description: "Whether there are older ones" }),
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
  hiddenSeq: Type.Optional(Type.Integer({ minimum: 0, description: "Hidden until an event comes above it" })),
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
    clearedSeq: Type.Optional(chosenSeq({ minimum: 0, description: "Nothing up to here is shown any more" })),
    hidden: Type.Optional(
      Type.Boolean({ description: "In no list of the user until something new is said, or it is false again" }),
    ),
    clear: Type.Optional(Type.Boolean({ description: "Nothing that there is now is shown any more" })),
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
      Type.Array(Type.Object({ userId: Type.String(), readSeq: seq }), { description: "By id; without the sender" }),
    ),
    cursor,
    count: Type.Optional(Type.Integer({ description: "Of a large group, instead of names" })),
  },
  { examples: [{ items: [{ userId: "bob", readSeq: 1 }] }] },
);

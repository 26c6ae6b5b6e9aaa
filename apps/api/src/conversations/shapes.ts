/** Bodies of the answers about conversations and their history. */
import { contentTypeValues, conversationKindValues, eventKindValues } from "@carillon/protocol";
import { Type } from "typebox";
import { limit, listOf, seq, strict, time } from "../http/shapes";

export const historyQuery = strict({
  limit,
  before: Type.Optional(Type.Integer({ minimum: 1, description: "Only numbers below; default: the newest" })),
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

export const conversations = listOf(
  Type.Object({
    conversationId: Type.String(),
    kind: Type.Enum([...conversationKindValues]),
    lastSeq: seq,
    lastAt: time,
    readSeq: seq,
    peerReadSeq: Type.Optional(seq),
    peerDeliveredSeq: Type.Optional(seq),
    clearedSeq: seq,
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
  }),
  "Newest lastAt first",
);

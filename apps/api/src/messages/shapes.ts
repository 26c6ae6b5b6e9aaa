/** Bodies of the requests and answers about messages of other systems. */
import { sentContentTypeValues } from "@carillon/protocol";
import { Type } from "typebox";
import { content, strict, time, userId } from "../http/shapes";

/** The rest of the rules are those of SEND, and are checked as there. */
export const messageBody = strict({
  senderId: userId,
  to: Type.String({ maxLength: 66, description: "`u:<userId>` or `g:<groupId>`" }),
  clientMsgId: Type.String({
    maxLength: 36,
    description: "UUIDv7, lower case; the same for each repeat of the message",
  }),
  contentType: Type.Enum([...sentContentTypeValues]),
  content,
});

export const sent = Type.Object({
  clientMsgId: Type.String(),
  conversationId: Type.String(),
  seq: Type.Integer(),
  messageId: Type.String(),
  sentAt: time,
  duplicate: Type.Optional(Type.Boolean({ description: "The server had accepted the message before" })),
});

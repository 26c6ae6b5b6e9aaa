/** Bodies of the requests and answers about broadcasts. */
import { sentContentTypeValues } from "@carillon/protocol";
import { Type } from "typebox";
import { content, shortId, strict, time, userId } from "../http/shapes";

const MOST_RECIPIENTS = 1_500;

export const broadcastBody = strict({
  broadcastId: Type.Optional(shortId()),
  senderId: userId,
  contentType: Type.Enum([...sentContentTypeValues]),
  content,
  userIds: Type.Optional(
    Type.Array(userId, { minItems: 1, maxItems: MOST_RECIPIENTS, description: "Absent: all users except the sender" }),
  ),
});

export const begun = Type.Object({ broadcastId: Type.String() });

export const progress = Type.Object({
  broadcastId: Type.String(),
  senderId: Type.String(),
  createdAt: time,
  sent: Type.Integer({ description: "Messages that were accepted" }),
  refused: Type.Integer({ description: "Recipients to whom the sender may not write, or who do not exist" }),
  total: Type.Optional(Type.Integer({ description: "Number of named recipients" })),
  isDone: Type.Boolean(),
  doneAt: Type.Optional(time),
});

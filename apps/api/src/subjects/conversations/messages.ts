/** Messages that another system sends in the name of a user. */
import { CarillonError, Command, parseRequest, parseTarget, sentContentTypeValues } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { content, strict, time, userId } from "../../http/shapes";
import type { ApiParts } from "../../parts";

export function messageRoutes(server: FastifyInstance, { people, messages }: ApiParts): void {
  server.withTypeProvider<TypeBoxTypeProvider>().post(
    "/v1/messages",
    {
      config: {
        access: { key: "messages" },
        work: "message",
        errors: [
          "NO_SUCH_USER",
          "NOT_FRIENDS",
          "BLOCKED",
          "USER_DISABLED",
          "USER_MUTED",
          "NOT_A_MEMBER",
          "GROUP_MUTED",
          "GROUP_DISSOLVED",
          "CONFLICT",
          "RATE_LIMITED",
        ],
      },
      schema: {
        summary: "Send a message in the name of a user",
        description:
          "The server checks, numbers and delivers it as if the user had sent it. BUSY: nobody knows whether it is stored; repeat the " +
          "request with the same clientMsgId, at any time, and the server stores it once.",
        tags: ["messages"],
        body: messageBody,
        response: { 200: sent },
      },
    },
    async (request) => {
      const { senderId, ...payload } = request.body;
      const checked = parseRequest(Command.SEND, payload);
      if ("error" in checked) throw new CarillonError(checked.error, checked.message);
      const sender = (await people.names([senderId])).get(senderId);
      if (sender === undefined || sender.isDeleted) throw new CarillonError("NO_SUCH_USER", "senderId: no such user");
      const { clientMsgId, contentType, content, to } = payload;
      const { conversationId } = parseTarget(to, senderId)!;
      return messages.send({ senderId, clientMsgId, conversationId, contentType, content });
    },
  );
}

/** Bodies of the requests and answers about messages of other systems. */

/** The remaining rules are those of SEND. */
const messageBody = strict({
  senderId: userId,
  to: Type.String({ maxLength: 66, description: "`u:<userId>` or `g:<groupId>`" }),
  clientMsgId: Type.String({
    maxLength: 36,
    description: "UUIDv7, lower case; the same for each repeat of the message",
  }),
  contentType: Type.Enum([...sentContentTypeValues]),
  content,
});

const sent = Type.Object({
  clientMsgId: Type.String(),
  conversationId: Type.String(),
  seq: Type.Integer(),
  messageId: Type.String(),
  sentAt: time,
  duplicate: Type.Optional(Type.Boolean({ description: "The server had accepted the message before" })),
});

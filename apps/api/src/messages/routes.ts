/** Messages that another system sends in the name of a user. */
import { CarillonError, Command, parseRequest, parseTarget } from "@carillon/protocol";
import type { UserQueries } from "@carillon/store";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { MessageSender } from "./message-sender";
import { messageBody, sent } from "./shapes";

export interface MessageRoutesContext {
  people: Pick<UserQueries, "names">;
  messages: Pick<MessageSender, "send">;
}

export function messageRoutes(server: FastifyInstance, { people, messages }: MessageRoutesContext): void {
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

/** Who is online, for those who may know. */
import { type PresenceFound, type PresenceRead, platformsOf } from "@carillon/bus";
import type { Platform } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { Authenticator } from "../auth/authenticate";
import { presence, presenceQuery } from "./shapes";

export interface PresenceRoutesContext {
  authenticator: Authenticator;
  /** Asks a worker. @throws CarillonError BUSY */
  findPresence(question: PresenceRead): Promise<PresenceFound>;
}

export function presenceRoutes(server: FastifyInstance, context: PresenceRoutesContext): void {
  const { authenticator, findPresence } = context;
  server.withTypeProvider<TypeBoxTypeProvider>().get(
    "/v1/presence",
    {
      schema: {
        summary: "Who is online",
        description: "Who may not be seen, and who does not exist, looks like one who was never there.",
        tags: ["users"],
        querystring: presenceQuery,
        response: { 200: presence },
      },
    },
    async (request) => {
      const { userId: watcherId } = await authenticator.authenticate(request.headers.authorization);
      const userIds = request.query.ids.split(",");
      const { users } = await findPresence({ wanted: [[watcherId, userIds]] });
      const found = new Map(users.map((user) => [user.userId, user]));
      const items = userIds.map((userId) => {
        const { at = [], lastSeenAt = 0 } = found.get(userId) ?? {};
        return { userId, online: at.length > 0, platforms: platformsOf(at) as Platform[], lastSeenAt };
      });
      return { items };
    },
  );
}

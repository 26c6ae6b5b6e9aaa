/** Which users are online, as far as the caller may know. */
import { platformsOf } from "@carillon/bus";
import type { Platform } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { callerOf } from "../../http/access";
import { platform, strict, USER_ID } from "../../http/shapes";
import type { ApiParts } from "../../parts";

export function presenceRoutes(server: FastifyInstance, { presence }: ApiParts): void {
  server.withTypeProvider<TypeBoxTypeProvider>().get(
    "/v1/presence",
    {
      config: { access: "user", errors: [] },
      schema: {
        summary: "Read which users are online",
        description:
          "Users whom the caller may not see, and users who do not exist, appear as never seen. A user who has blocked the caller appears as offline since the block.",
        tags: ["users"],
        querystring: presenceQuery,
        response: { 200: presenceAnswer },
      },
    },
    async (request) => {
      const { userId: watcherId } = callerOf(request);
      const userIds = request.query.ids.split(",");
      const { users, frozen = [] } = await presence.find({ wanted: [[watcherId, userIds]] });
      const found = new Map(users.map((user) => [user.userId, user]));
      const held = new Map(frozen[0]);
      const items = userIds.map((userId) => {
        // A user who blocks the caller looks as if they had been offline since.
        const { at: registered = [], lastSeenAt = held.get(userId) ?? 0 } = found.get(userId) ?? {};
        const at = registered.filter(({ gateway, boot }) => presence.hasGateway(gateway, boot));
        return { userId, online: at.length > 0, platforms: platformsOf(at) as Platform[], lastSeenAt };
      });
      return { items };
    },
  );
}

/** The query and the answer, as JSON Schema. */

const MOST_IDS = 100;

const presenceQuery = strict({
  ids: Type.String({
    pattern: `^${USER_ID}(,${USER_ID}){0,${MOST_IDS - 1}}$`,
    description: `User ids, separated by commas, at most ${MOST_IDS}`,
  }),
});

const presenceAnswer = Type.Object({
  items: Type.Array(
    Type.Object({
      userId: Type.String(),
      online: Type.Boolean(),
      platforms: Type.Array(platform, { description: "Platforms of the connected devices" }),
      lastSeenAt: Type.Integer({
        description: "When a connection of the user was last opened or closed, ms since 1970-01-01 UTC; 0: not known",
      }),
    }),
    { description: "In the order of the query" },
  ),
});

/** Who is online, as JSON Schema. */
import { Type } from "typebox";
import { platform, strict, USER_ID } from "../http/shapes";

const MOST_IDS = 100;

export const presenceQuery = strict({
  ids: Type.String({
    pattern: `^${USER_ID}(,${USER_ID}){0,${MOST_IDS - 1}}$`,
    description: `User ids, separated by commas, at most ${MOST_IDS}`,
  }),
});

export const presence = Type.Object({
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

/** Who is online, as JSON Schema. */
import { Type } from "typebox";
import { platform, strict, USER_ID } from "../http/shapes";

const MOST_IDS = 100;

export const presenceQuery = strict({
  ids: Type.String({
    pattern: `^${USER_ID}(,${USER_ID}){0,${MOST_IDS - 1}}$`,
    description: `User ids with commas between, at most ${MOST_IDS}`,
  }),
});

export const presence = Type.Object({
  items: Type.Array(
    Type.Object({
      userId: Type.String(),
      online: Type.Boolean(),
      platforms: Type.Array(platform, { description: "Of the devices that are connected" }),
      lastSeenAt: Type.Integer({ description: "When a connection was opened or closed last; 0: not known" }),
    }),
    { description: "In the order of the question" },
  ),
});

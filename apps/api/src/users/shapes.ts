/** Bodies of the requests and answers about users. */
import { limits } from "@carillon/protocol";
import { Type } from "typebox";
import { cursor, limit, listOf, strict, time, userId } from "../http/shapes";

export const displayName = Type.String({ minLength: 1, maxLength: limits.maxNameCharacters, words: "displayName" });
export const password = Type.String({ minLength: 8, maxLength: 128 });

export const registerBody = strict({ userId, displayName, password });
export const registered = Type.Object({ userId: Type.String() });

const whoMayAdd = Type.Enum(["everybody", "friends", "consent"], {
  description: "Users who may add this user to groups without asking; others invite",
});
const whoMayWrite = Type.Enum(["everybody", "friends"], { description: "Users whose messages this user accepts" });

export const ownProfile = Type.Object({
  userId: Type.String(),
  displayName: Type.String(),
  createdAt: time,
  whoMayAdd,
  whoMayWrite,
});
export const profile = Type.Object({ userId: Type.String(), displayName: Type.String() });

export const changeBody = strict({
  displayName: Type.Optional(displayName),
  whoMayAdd: Type.Optional(whoMayAdd),
  whoMayWrite: Type.Optional(whoMayWrite),
});

export const passwordBody = strict({
  oldPassword: Type.String({ minLength: 1, maxLength: 128 }),
  newPassword: password,
});

export const deleteBody = strict({
  password: Type.Optional(
    Type.String({ minLength: 1, maxLength: 128, description: "The user's password, if there is one" }),
  ),
});

export const searchQuery = strict({
  search: Type.String({
    examples: ["ali"],
    minLength: 1,
    maxLength: limits.maxNameCharacters,
    description:
      "Beginning of an id, or of a name starting at any of its words; case, accents and punctuation do not matter",
  }),
  limit,
  cursor,
});

export const found = listOf(profile);

/** Bodies of the requests and answers about users. */
import { Type } from "typebox";
import { displayName, password, profile, strict } from "../routes/shapes";

export const renameBody = strict({ displayName });

export const passwordBody = strict({
  oldPassword: Type.String({ minLength: 1, maxLength: 128 }),
  newPassword: password,
});

const limit = Type.Integer({ minimum: 1, maximum: 200, default: 50 });

export const searchQuery = strict({
  search: Type.String({ minLength: 1, maxLength: 64, description: "Beginning of an id or a name, whatever the case" }),
  limit: Type.Optional(limit),
  cursor: Type.Optional(Type.String()),
});

export const found = Type.Object({ items: Type.Array(profile), cursor: Type.Optional(Type.String()) });

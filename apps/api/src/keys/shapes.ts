/** Bodies of the requests and answers about API keys. */
import { apiKeyScopes } from "@carillon/base/node";
import { Type } from "typebox";
import { listOf, name, strict, time } from "../http/shapes";

const scopes = Type.Array(Type.Enum([...apiKeyScopes]), { minItems: 1, maxItems: apiKeyScopes.length });

export const newKeyBody = strict({ name, scopes });

export const newKey = Type.Object({
  id: Type.String(),
  name,
  scopes,
  key: Type.String({ description: "The key itself; no other answer contains it" }),
});

const key = Type.Object({
  id: Type.String(),
  name,
  scopes: Type.Array(Type.String()),
  createdAt: time,
  lastUsedAt: Type.Optional(time),
  revokedAt: Type.Optional(time),
});

export const keys = listOf(key);

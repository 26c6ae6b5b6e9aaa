/** Bodies of the requests and answers about relations. */
import { limits, relationStateValues } from "@carillon/protocol";
import { Type } from "typebox";
import { listOf, strict, time, userId } from "../http/shapes";

export const requestBody = strict({ userId }, { userId: "bob" });

export const remarkBody = strict({
  remark: Type.String({
    maxLength: limits.maxRemarkCharacters,
    words: "remark",
    description: "Only the caller sees it; empty: none",
  }),
});

const properties = {
  userId: Type.String(),
  displayName: Type.String(),
  state: Type.Enum([...relationStateValues]),
  remark: Type.Optional(Type.String()),
  version: Type.Integer(),
  changedAt: time,
};

export const relation = Type.Object(properties);

export const lateRelation = Type.Object({
  ...properties,
  unconfirmed: Type.Array(Type.String(), {
    description: "Workers that were not reached; they follow the change within 30 s",
  }),
});

export const relations = listOf(relation);

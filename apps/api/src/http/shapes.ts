/** JSON Schemas that several subjects share. The checks and the documentation use the same schemas. */
import { limits, platformValues } from "@carillon/protocol";
import { type TProperties, type TSchema, Type } from "typebox";

/**
 * An object of a request: unknown keys are refused.
 * @param example where one with all its fields makes no sense
 */
export const strict = <T extends TProperties>(properties: T, example?: object) =>
  Type.Object(properties, { additionalProperties: false, ...(example === undefined ? {} : { examples: [example] }) });

export const shortId = () => Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$" });
/** As `isUserId`, but for the words that are reserved. */
export const USER_ID = "[A-Za-z0-9_][A-Za-z0-9_.@|+-]{0,63}";
export const userId = Type.String({ pattern: `^${USER_ID}$` });
export const groupId = shortId();
export const deviceId = Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" });
export const platform = Type.Enum([...platformValues]);
export const time = Type.Integer({ description: "ms since 1970-01-01 UTC" });
export const seq = Type.Integer({ minimum: 0 });

/** A time that a request names; 0 stands for none. `mustLieAhead` refuses a time in the past. */
export const chosenTime = (description: string) => Type.Integer({ minimum: 0, maximum: limits.maxTimeMs, description });

/** A number of an event that a request names. */
export const chosenSeq = (options: { minimum: number; description?: string }) =>
  Type.Integer({ maximum: Number.MAX_SAFE_INTEGER, ...options });

/** Content of a message; its bytes are counted where the rules of SEND are checked. */
export const content = Type.String({ maxLength: limits.maxContentBytes, description: "1-16,384 bytes of UTF-8" });

/** The name of a person, a group or a key. */
export const name = Type.String({ minLength: 1, maxLength: limits.maxNameCharacters, words: "name" });

export const errorBody = Type.Object(
  {
    code: Type.Integer(),
    name: Type.String(),
    message: Type.String(),
    retryAfterMs: Type.Optional(Type.Integer()),
  },
  { description: "Any failure, with the HTTP status of the error table" },
);

/** Rows of a page when nobody says how many, and at most. */
export const DEFAULT_LIMIT = 50;
const MOST_OF_A_PAGE = 200;
export const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_OF_A_PAGE, default: DEFAULT_LIMIT }));
/** As the protocol bounds those of SYNC. */
export const cursor = Type.Optional(Type.String({ maxLength: 1024 }));

/** The query and the answer that all lists share. */
export const listQuery = strict({ limit, cursor });
export const listOf = <T extends TSchema>(item: T, description?: string) =>
  Type.Object({ items: Type.Array(item, description === undefined ? {} : { description }), cursor });

export const nothing = Type.Null();

export const unconfirmed = Type.Object({
  unconfirmed: Type.Array(Type.String(), { description: "Nodes that have not confirmed" }),
});

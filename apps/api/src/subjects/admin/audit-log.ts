/** The audit log for operators: `/v1/admin/audit-log`. No route changes it. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { readCursor, writeCursor } from "../../http/cursor";
import { cursor, DEFAULT_LIMIT, limit, listOf, strict, time } from "../../http/shapes";
import type { ApiParts } from "../../parts";

export function auditLogRoutes(server: FastifyInstance, { auditLog }: ApiParts): void {
  server.withTypeProvider<TypeBoxTypeProvider>().get(
    "/v1/admin/audit-log",
    {
      config: { access: { scope: "audit-log" }, errors: [] },
      schema: {
        summary: "List the acts of operators, API keys and admins of groups on others, the newest first",
        description:
          "Acts of the command line are among them. `who`, `whom` and `act` name a value exactly; `whom` also finds what " +
          "was done to members of the group that it names.",
        tags: ["admin"],
        querystring: auditLogQuery,
        response: { 200: entries },
      },
    },
    async (request) => {
      const { limit: most = DEFAULT_LIMIT, cursor: from, ...filter } = request.query;
      const found = await auditLog.page(filter, most + 1, from === undefined ? undefined : placeOf(from));
      const items = found.slice(0, most);
      const { at, id } = items.at(-1) ?? { at: 0, id: 0 };
      return { items, ...(found.length > most ? { cursor: writeCursor(CURSOR, [at, id]) } : {}) };
    },
  );
}

const CURSOR = "audit-log";

/** @throws CarillonError BAD_PAYLOAD */
function placeOf(from: string): { at: number; id: number } {
  const [at, id] = readCursor(CURSOR, ["number", "number"], from) as [number, number];
  return { at, id };
}

/** Query and answer of the audit log. */

const WHO = "`user:alice`, `key:Jx3nQ0aB7kLm`, or `shell:root` for the command line";
const WHOM =
  "`user:bob`, `group:choir`, `key:`, `message:p:alice:bob#7`, `broadcast:`, `node:`, `dead-letter:`, `secret:` or `address:`";

/** Ids consist of ASCII letters; names of system users and machines may have others. */
const text = (description: string) => Type.Optional(Type.String({ maxLength: 160, description }));
const moment = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description }));

const auditLogQuery = strict({
  who: text(WHO),
  whom: text(WHOM),
  act: Type.Optional(Type.String({ pattern: "^[a-z.-]{1,64}$", description: "`admin.user.disable`, ..." })),
  since: moment("ms since 1970-01-01 UTC"),
  until: moment("ms since 1970-01-01 UTC; entries of this time are not in the list"),
  limit,
  cursor,
});

const entries = listOf(
  Type.Object({
    id: Type.Integer({ examples: [1] }),
    at: time,
    who: Type.String({ description: WHO, examples: ["user:alice"] }),
    from: Type.String({ description: "Address of the caller, or name of the machine", examples: ["192.0.2.1"] }),
    act: Type.String({ examples: ["admin.user.disable"] }),
    whom: Type.Optional(Type.String({ description: WHOM, examples: ["user:bob"] })),
    place: Type.Optional(
      Type.String({ description: "The group in which it was done to the user", examples: ["group:choir"] }),
    ),
    result: Type.String({ description: "`ok`, or the name of the error", examples: ["ok"] }),
    details: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: "The changed values", examples: [{ role: "admin" }] }),
    ),
  }),
);

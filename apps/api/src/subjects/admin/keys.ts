/** API keys of other systems: `/v1/admin/keys`. For operators only: a key that makes keys could give itself any scope. */
import { type ApiKeyScope, apiKeyScopes, newApiKey } from "@carillon/base/node";
import { CarillonError } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { pageById, readIdCursor } from "../../http/cursor";
import { DEFAULT_LIMIT, listOf, listQuery, name, nothing, strict, time } from "../../http/shapes";
import type { ApiParts } from "../../parts";

const TAGS = ["admin"];

export function keyRoutes(server: FastifyInstance, { keys, logger, clock }: ApiParts): void {
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.get(
    "/v1/admin/keys",
    {
      config: { access: "operator", errors: [] },
      schema: { summary: "List API keys by id", tags: TAGS, querystring: listQuery, response: { 200: keyList } },
    },
    async (request) => {
      const { limit = DEFAULT_LIMIT, cursor } = request.query;
      const found = await keys.page(limit + 1, readIdCursor("keys", cursor));
      return pageById("keys", found, limit, ({ id }) => id);
    },
  );

  routes.post(
    "/v1/admin/keys",
    {
      config: { audit: "admin.key.create", access: "operator", errors: [] },
      schema: {
        summary: "Create an API key",
        description: "Only this answer contains the key. Each request creates another key.",
        tags: TAGS,
        body: newKeyBody,
        response: { 201: newKey },
      },
    },
    async (request, reply) => {
      const { name } = request.body;
      const scopes = [...new Set(request.body.scopes as ApiKeyScope[])];
      const { id, key, secretHash } = newApiKey();
      await keys.create({ id, name, secretHash, scopes, now: clock.now() });
      logger.info({ id, scopes, by: request.by }, "an API key was made");
      return reply.code(201).send({ id, name, scopes, key });
    },
  );

  routes.delete<{ Params: { id: string } }>(
    "/v1/admin/keys/:id",
    {
      config: { audit: "admin.key.revoke", access: "operator", errors: ["NOT_FOUND"] },
      schema: { summary: "Revoke an API key permanently", tags: TAGS, response: { 204: nothing } },
    },
    async (request, reply) => {
      const { id } = request.params;
      if (!(await keys.revoke(id, clock.now()))) throw new CarillonError("NOT_FOUND", "no such key");
      logger.info({ id, by: request.by }, "an API key was revoked");
      return reply.code(204).send();
    },
  );
}

/** Bodies of the requests and answers about API keys. */

const scopes = Type.Array(Type.Enum([...apiKeyScopes]), { minItems: 1, maxItems: apiKeyScopes.length });

const newKeyBody = strict({ name, scopes });

const newKey = Type.Object({
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

const keyList = listOf(key);

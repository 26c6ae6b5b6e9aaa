/** Friends, requests and blocks over HTTP. */
import { limits, type RelationState, relationStateValues } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { callerOf } from "../../http/access";
import { confirmed } from "../../http/checks";
import { pageById, readIdCursor } from "../../http/cursor";
import { DEFAULT_LIMIT, listOf, listQuery, nothing, strict, time, unconfirmed, userId } from "../../http/shapes";
import type { ApiParts } from "../../parts";
import {
  accept,
  request as ask,
  block,
  type ChangedRelation,
  changeRelation,
  limitRequests,
  type NamedRelation,
  type Rule,
  reject,
  remove,
  setRemark,
  unblock,
  withNames,
} from "./relation-rules";

const CONFIRMED =
  "202: the change is stored; the named workers have not confirmed it within 2 s, and follow it within 30 s.";

interface Peer {
  Params: { userId: string };
}

export function relationRoutes(server: FastifyInstance, api: ApiParts): void {
  const { relationLimits } = api;
  lists(server, api);
  requests(server, api);
  const change = changer(api);
  const answered = { 202: unconfirmed, 204: nothing };
  const ofPeer = (method: "PUT" | "DELETE" | "POST", url: string, summary: string, rule: Rule) =>
    server.route<Peer>({
      method,
      url,
      config: { access: "user", errors: ["NO_SUCH_USER", "NOT_FOUND", "FORBIDDEN"] },
      schema: { summary, description: CONFIRMED, tags: ["relations"], response: answered },
      handler: async (request, reply) =>
        confirmed(reply, (await change(request, request.params.userId, rule)).unconfirmed),
    });
  ofPeer("POST", "/v1/friend-requests/:userId/accept", "Accept a friend request", accept(relationLimits));
  ofPeer("POST", "/v1/friend-requests/:userId/reject", "Reject a friend request", reject);
  ofPeer("DELETE", "/v1/friends/:userId", "End a friendship, or take back a friend request", remove);
  ofPeer("PUT", "/v1/blocks/:userId", "Block a user; the user is not told", block(relationLimits));
  ofPeer("DELETE", "/v1/blocks/:userId", "Unblock a user", unblock);

  server.patch<Peer & { Body: { remark: string } }>(
    "/v1/friends/:userId",
    {
      config: { access: "user", errors: ["NO_SUCH_USER", "NOT_FOUND"] },
      schema: {
        summary: "Set a remark on a friend, which only the caller sees",
        tags: ["relations"],
        body: remarkBody,
        response: { 200: relation },
      },
    },
    async (request) => {
      const { remark } = request.body;
      const rule = setRemark(remark === "" ? undefined : remark);
      return present((await change(request, request.params.userId, rule)).relation);
    },
  );
}

function requests(server: FastifyInstance, api: ApiParts): void {
  const change = changer(api);
  server.withTypeProvider<TypeBoxTypeProvider>().post(
    "/v1/friend-requests",
    {
      config: { access: "user", errors: ["NO_SUCH_USER", "BLOCKED", "FORBIDDEN"] },
      schema: {
        summary: "Send a friend request; if the other user has sent one before, both become friends",
        description: CONFIRMED,
        tags: ["relations"],
        body: requestBody,
        response: { 201: relation, 202: lateRelation },
      },
    },
    async (request, reply) => {
      limitRequests(api, callerOf(request).userId, request.body.userId);
      const rule = ask(api.relationLimits);
      const { relation, unconfirmed: late } = await change(request, request.body.userId, rule);
      if (late.length > 0) return reply.code(202).send({ ...present(relation), unconfirmed: late });
      return reply.code(201).send(present(relation));
    },
  );
}

function lists(server: FastifyInstance, api: ApiParts): void {
  const { relations } = api;
  const list = (url: string, summary: string, states: RelationState[]) =>
    server.withTypeProvider<TypeBoxTypeProvider>().get(
      url,
      {
        config: { access: "user", errors: [] },
        schema: {
          summary,
          tags: ["relations"],
          querystring: listQuery,
          response: { 200: relationList },
        },
      },
      async (request) => {
        const { userId } = callerOf(request);
        const { limit = DEFAULT_LIMIT, cursor } = request.query;
        const found = await relations.list(userId, states, limit + 1, readIdCursor(url, cursor));
        const page = pageById(url, found, limit, (relation) => relation.userId);
        return { ...page, items: (await withNames(api, page.items)).map(present) };
      },
    );
  list("/v1/friend-requests", "List friend requests: `asked` are those of others, `requested` one's own", [
    "asked",
    "requested",
  ]);
  list("/v1/friends", "List friends by id", ["friend"]);
  list("/v1/blocks", "List the users whom the caller has blocked", ["blocked"]);
}

function changer(api: ApiParts) {
  return async (request: FastifyRequest, peerId: string, rule: Rule): Promise<ChangedRelation> => {
    const { userId } = callerOf(request);
    return changeRelation(api, userId, peerId, rule);
  };
}

function present({ remark, ...relation }: NamedRelation) {
  return remark === undefined ? relation : { ...relation, remark };
}

/** Bodies of the requests and answers about relations. */

const requestBody = strict({ userId }, { userId: "bob" });

const remarkBody = strict({
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

const relation = Type.Object(properties);

const lateRelation = Type.Object({
  ...properties,
  unconfirmed: Type.Array(Type.String(), {
    description: "Workers that were not reached; they follow the change within 30 s",
  }),
});

const relationList = listOf(relation);

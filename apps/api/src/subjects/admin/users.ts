/** Users as operators and other systems manage them: `/v1/admin`. */
import { OPERATOR_ROLE } from "@carillon/base/node";
import { CarillonError } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { confirmed } from "../../http/checks";
import { pageById, readIdCursor } from "../../http/cursor";
import {
  chosenTime,
  DEFAULT_LIMIT,
  deviceId,
  listOf,
  listQuery,
  nothing,
  platform,
  strict,
  time,
  unconfirmed,
  userId,
} from "../../http/shapes";
import type { ApiParts } from "../../parts";
import { logInFor } from "../people/devices";
import { endAccount, rename } from "../people/own-account";
import { tokens } from "../people/sessions";
import { displayName, password, registered } from "../people/users";
import { disable, enable, kick, makeUser, mute, unlock } from "./manage-users";

const TAGS = ["admin"];

const CONFIRMED =
  "204: every worker and gateway has confirmed the change. 202: the named nodes have not confirmed it within 2 s; gateways " +
  "follow it as soon as they are reachable, workers within 30 s.";

interface OfUser {
  Params: { userId: string };
}

export function adminRoutes(server: FastifyInstance, api: ApiParts): void {
  looking(server, api);
  making(server, api);
  changing(server, api);
  ordering(server, api);
}

function looking(server: FastifyInstance, api: ApiParts): void {
  const { people } = api;

  server.withTypeProvider<TypeBoxTypeProvider>().get(
    "/v1/admin/users",
    {
      config: { access: { scope: "users" }, errors: [] },
      schema: {
        summary: "List all users by id",
        tags: TAGS,
        querystring: listQuery,
        response: { 200: records },
      },
    },
    async (request) => {
      const { limit = DEFAULT_LIMIT, cursor } = request.query;
      const found = await people.list(limit + 1, readIdCursor("records", cursor));
      return pageById("records", found, limit, ({ userId }) => userId);
    },
  );

  server.get<OfUser>(
    "/v1/admin/users/:userId",
    {
      config: { access: { scope: "users" }, errors: ["NO_SUCH_USER"] },
      schema: { summary: "Read a user", tags: TAGS, response: { 200: record } },
    },
    async (request) => {
      const record = await people.record(request.params.userId);
      if (record === undefined) throw new CarillonError("NO_SUCH_USER");
      return record;
    },
  );
}

function making(server: FastifyInstance, api: ApiParts): void {
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.post(
    "/v1/admin/users",
    {
      config: { audit: "admin.user.create", access: { scope: "users" }, errors: ["CONFLICT"] },
      schema: {
        summary: "Create a user; without a password the user connects with tokens only",
        description:
          "200: the same request, without a password, has created the user before. With a password the answer is 409 CONFLICT.",
        tags: TAGS,
        body: makeUserBody,
        response: { 200: registered, 201: registered },
      },
    },
    async (request, reply) => {
      const isNew = await makeUser(api, request.body);
      return reply.code(isNew ? 201 : 200).send({ userId: request.body.userId });
    },
  );

  routes.post(
    "/v1/admin/tokens",
    {
      config: { audit: "admin.user.log-in", access: { scope: "tokens" }, errors: ["NO_SUCH_USER", "USER_DISABLED"] },
      schema: {
        summary: "Log in a device of a user without the user's password",
        tags: TAGS,
        body: tokensBody,
        response: { 200: tokens },
      },
    },
    async (request) => {
      return logInFor(api, request.body);
    },
  );
}

function changing(server: FastifyInstance, api: ApiParts): void {
  const { people, logger } = api;

  server.patch<OfUser & { Body: { displayName: string } }>(
    "/v1/admin/users/:userId",
    {
      config: { audit: "admin.user.rename", access: { scope: "users" }, errors: ["NO_SUCH_USER"] },
      schema: { summary: "Rename a user", tags: TAGS, body: renameBody, response: { 200: record } },
    },
    async (request) => {
      const { userId } = request.params;
      await rename(api, userId, request.body.displayName);
      logger.info({ order: "rename", userId, by: request.by }, "an operator's order about a user");
      return (await people.record(userId))!;
    },
  );

  server.delete<OfUser>(
    "/v1/admin/users/:userId",
    {
      config: { audit: "admin.user.delete", access: { scope: "users" }, errors: ["NO_SUCH_USER"] },
      schema: {
        summary: "Delete an account permanently",
        description: `Messages stay and show the name \`deleted user\`; nobody gets the id again. ${CONFIRMED}`,
        tags: TAGS,
        response: { 202: unconfirmed, 204: nothing },
      },
    },
    async (request, reply) => {
      const { userId } = request.params;
      if ((await people.record(userId)) === undefined) throw new CarillonError("NO_SUCH_USER");
      const late = await endAccount(api, userId);
      logger.info({ order: "delete", userId, by: request.by, late }, "an operator's order about a user");
      return confirmed(reply, late);
    },
  );
}

function ordering(server: FastifyInstance, api: ApiParts): void {
  const order = <B = undefined>(
    name: string,
    summary: string,
    body: object | undefined,
    carryOut: (userId: string, body: B) => Promise<string[]>,
  ) =>
    server.route<OfUser>({
      method: "POST",
      url: `/v1/admin/users/:userId/${name}`,
      config: { audit: `admin.user.${name}`, access: { scope: "users" }, errors: ["NO_SUCH_USER"] },
      schema: {
        summary,
        description: CONFIRMED,
        tags: TAGS,
        ...(body === undefined ? {} : { body }),
        response: { 202: unconfirmed, 204: nothing },
      },
      // A body that is optional as a whole may be absent.
      preValidation: async (request) => {
        if (body !== undefined) request.body ??= {};
      },
      handler: async (request, reply) => {
        const { userId } = request.params;
        const { by } = request;
        const late = await carryOut(userId, request.body as B);
        api.logger.info({ order: name, userId, by, late }, "an operator's order about a user");
        return confirmed(reply, late);
      },
    });
  order("disable", "Disable a user: close the connections and allow no new ones", undefined, (userId) =>
    disable(api, userId),
  );
  order("enable", "Let a disabled user connect again", undefined, (userId) => enable(api, userId));
  order("unlock", "Forget the failed log-ins of a user", undefined, (userId) => unlock(api, userId));
  order<{ until: number }>("mute", "Mute a user until a time", muteBody, (userId, { until }) =>
    mute(api, userId, until),
  );
  order<{ deviceId?: string }>("kick", "Log out one device of a user, or all", kickBody, (userId, { deviceId }) =>
    kick(api, userId, deviceId),
  );
}

/** Bodies of the requests and answers of operators and other systems. */

const makeUserBody = strict({
  userId,
  displayName,
  password: Type.Optional(password),
});

const renameBody = strict({ displayName });

const muteBody = strict({
  until: chosenTime("ms since 1970-01-01 UTC, in the future; 0: not muted"),
});

const kickBody = strict({ deviceId: Type.Optional(deviceId) });

const tokensBody = strict({ userId, deviceId, platform });

const record = Type.Object({
  userId: Type.String(),
  displayName: Type.String(),
  status: Type.Enum(["normal", "disabled", "deleted"]),
  mutedUntil: time,
  role: Type.String({ examples: ["user"], description: `user or ${OPERATOR_ROLE}` }),
  createdAt: time,
  lastLoginAt: Type.Optional(time),
});

const records = listOf(record);

/** Registration, the user's own account, and the profiles of other users. */
import { CarillonError, isUserId, limits } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { callerOf } from "../../http/access";
import { confirmed } from "../../http/checks";
import { cursor, DEFAULT_LIMIT, limit, listOf, nothing, strict, time, unconfirmed, userId } from "../../http/shapes";
import type { ApiParts } from "../../parts";
import { changePassword, deleteAccount, prefer, readOwnProfile, register, rename, searchPage } from "./own-account";

const answered = { 202: unconfirmed, 204: nothing };

export function userRoutes(server: FastifyInstance, api: ApiParts): void {
  server.withTypeProvider<TypeBoxTypeProvider>().post(
    "/v1/users",
    {
      config: { access: "anybody", errors: ["CONFLICT", "FORBIDDEN", "RATE_LIMITED"] },
      schema: {
        summary: "Register an account",
        tags: ["users"],
        body: registerBody,
        response: { 201: registered },
      },
    },
    async (request, reply) => {
      await register(api, request.body, request.ip);
      return reply.code(201).send({ userId: request.body.userId });
    },
  );
  ownAccount(server, api);
  passwordAndEnd(server, api);
  otherUsers(server, api);
}

function ownAccount(server: FastifyInstance, api: ApiParts): void {
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.get(
    "/v1/users/me",
    {
      config: { access: "user", errors: ["NO_SUCH_USER"] },
      schema: { summary: "Read one's own profile", tags: ["users"], response: { 200: ownProfile } },
    },
    (request) => readOwnProfile(api, callerOf(request).userId),
  );

  routes.patch(
    "/v1/users/me",
    {
      config: { access: "user", errors: ["NO_SUCH_USER"] },
      schema: {
        summary: "Change one's own profile and preferences",
        tags: ["users"],
        body: changeBody,
        response: { 200: ownProfile },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const { displayName, ...preferences } = request.body;
      if (displayName !== undefined) await rename(api, caller.userId, displayName);
      if (Object.keys(preferences).length > 0) await prefer(api, caller, preferences);
      return readOwnProfile(api, caller.userId);
    },
  );
}

function passwordAndEnd(server: FastifyInstance, api: ApiParts): void {
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.put(
    "/v1/users/me/password",
    {
      config: { access: "user", errors: ["FORBIDDEN", "RATE_LIMITED"] },
      schema: {
        summary: "Change one's own password",
        description:
          "All other devices have to log in again. 202: the named gateways have not confirmed yet that their connections are closed, and will close them.",
        tags: ["users"],
        body: passwordBody,
        response: answered,
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      return confirmed(reply, await changePassword(api, caller, request.body));
    },
  );

  routes.delete(
    "/v1/users/me",
    {
      config: { access: "user", errors: ["FORBIDDEN", "RATE_LIMITED"] },
      schema: {
        summary: "Delete one's own account",
        description:
          "Messages stay and show the name `deleted user`. Nobody gets the id again. The password is needed, unless the user has none.",
        tags: ["users"],
        body: deleteBody,
        response: answered,
      },
      // A user without a password has none to send.
      preValidation: async (request) => {
        request.body ??= {};
      },
    },
    async (request, reply) => {
      const { password = "" } = request.body;
      return confirmed(reply, await deleteAccount(api, callerOf(request), password));
    },
  );
}

function otherUsers(server: FastifyInstance, { people, names }: ApiParts): void {
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.get(
    "/v1/users",
    {
      config: { access: "user", errors: [] },
      schema: {
        summary: "Search users by the beginning of their id, or of a word of their name",
        description: "In the order of the matching text. Disabled and deleted users are not found.",
        tags: ["users"],
        querystring: searchQuery,
        response: { 200: found },
      },
    },
    async (request) => {
      const { search: text, limit = DEFAULT_LIMIT, cursor } = request.query;
      return searchPage(names, text, limit, cursor);
    },
  );

  routes.get<{ Params: { userId: string } }>(
    "/v1/users/:userId",
    {
      config: { access: "user", errors: ["NO_SUCH_USER"] },
      schema: { summary: "Read the profile of a user", tags: ["users"], response: { 200: profile } },
    },
    async (request) => {
      const { userId } = request.params;
      // The messages of a deleted account are still there, so the account is shown.
      const known = isUserId(userId) ? (await people.names([userId])).get(userId) : undefined;
      if (known === undefined) throw new CarillonError("NO_SUCH_USER");
      return { userId, displayName: known.displayName };
    },
  );
}

/** Bodies of the requests and answers about users. */

export const displayName = Type.String({ minLength: 1, maxLength: limits.maxNameCharacters, words: "displayName" });
export const password = Type.String({ minLength: 8, maxLength: 128 });

const registerBody = strict({ userId, displayName, password });
export const registered = Type.Object({ userId: Type.String() });

const whoMayAdd = Type.Enum(["everybody", "friends", "consent"], {
  description: "Users who may add this user to groups without asking; others invite",
});
const whoMayWrite = Type.Enum(["everybody", "friends"], { description: "Users whose messages this user accepts" });

const ownProfile = Type.Object({
  userId: Type.String(),
  displayName: Type.String(),
  createdAt: time,
  whoMayAdd,
  whoMayWrite,
});
const profile = Type.Object({ userId: Type.String(), displayName: Type.String() });

const changeBody = strict({
  displayName: Type.Optional(displayName),
  whoMayAdd: Type.Optional(whoMayAdd),
  whoMayWrite: Type.Optional(whoMayWrite),
});

const passwordBody = strict({
  oldPassword: Type.String({ minLength: 1, maxLength: 128 }),
  newPassword: password,
});

const deleteBody = strict({
  password: Type.Optional(
    Type.String({ minLength: 1, maxLength: 128, description: "The user's password, if there is one" }),
  ),
});

const searchQuery = strict({
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

const found = listOf(profile);

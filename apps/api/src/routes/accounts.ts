/** Users: registration and profiles. */

import { CarillonError, isUserId } from "@carillon/protocol";
import type { AccountQueries, UserQueries } from "@carillon/store";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { Authenticator } from "../auth/authenticate";
import { type RegisterContext, register } from "../use-cases/register";
import { ownProfile, profile, registerBody, registered } from "./shapes";

export interface AccountRoutesContext extends RegisterContext {
  accounts: Pick<AccountQueries, "create" | "find">;
  people: Pick<UserQueries, "names">;
  authenticator: Authenticator;
}

export function accountRoutes(server: FastifyInstance, context: AccountRoutesContext): void {
  const { accounts, people, authenticator } = context;
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.post(
    "/v1/users",
    { schema: { summary: "Register", tags: ["users"], body: registerBody, response: { 201: registered } } },
    async (request, reply) => {
      await register(context, request.body, request.ip);
      return reply.code(201).send({ userId: request.body.userId });
    },
  );

  routes.get(
    "/v1/users/me",
    { schema: { summary: "Own profile", tags: ["users"], response: { 200: ownProfile } } },
    async (request) => {
      const { userId } = await authenticator.authenticate(request.headers.authorization);
      const account = await accounts.find(userId);
      if (account === undefined) throw new CarillonError("NO_SUCH_USER");
      return account;
    },
  );

  routes.get<{ Params: { userId: string } }>(
    "/v1/users/:userId",
    { schema: { summary: "Profile of a user", tags: ["users"], response: { 200: profile } } },
    async (request) => {
      await authenticator.authenticate(request.headers.authorization);
      const { userId } = request.params;
      // Of one who deleted his account the messages are still there, so he is shown.
      const known = isUserId(userId) ? (await people.names([userId])).get(userId) : undefined;
      if (known === undefined) throw new CarillonError("NO_SUCH_USER");
      return { userId, displayName: known.displayName };
    },
  );
}

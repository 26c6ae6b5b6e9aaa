/** One's own account, and the search for others. */
import { CarillonError } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { Authenticator } from "../auth/authenticate";
import { pageById, readIdCursor } from "../queries/cursor";
import { confirmed } from "../routes/confirmed";
import { nothing, ownProfile, unconfirmed } from "../routes/shapes";
import { changePassword, deleteAccount, type OwnAccountContext, rename } from "./own-account";
import * as shapes from "./shapes";

const DEFAULT_LIMIT = 50;
const answered = { 202: unconfirmed, 204: nothing };

export interface UserRoutesContext extends OwnAccountContext {
  authenticator: Authenticator;
}

export function userRoutes(server: FastifyInstance, context: UserRoutesContext): void {
  search(server, context);
  const { authenticator, accounts } = context;
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.patch(
    "/v1/users/me",
    {
      schema: {
        summary: "Change the own profile",
        tags: ["users"],
        body: shapes.renameBody,
        response: { 200: ownProfile },
      },
    },
    async (request) => {
      const caller = await authenticator.authenticate(request.headers.authorization);
      await rename(context, caller, request.body.displayName);
      const account = await accounts.find(caller.userId);
      if (account === undefined) throw new CarillonError("NO_SUCH_USER");
      return account;
    },
  );

  routes.put(
    "/v1/users/me/password",
    {
      schema: {
        summary: "Change the password",
        description: "All other devices have to log in again. 202: the gateways named will close their connections.",
        tags: ["users"],
        body: shapes.passwordBody,
        response: answered,
      },
    },
    async (request, reply) => {
      const caller = await authenticator.authenticate(request.headers.authorization);
      return confirmed(reply, await changePassword(context, caller, request.body));
    },
  );

  routes.delete(
    "/v1/users/me",
    {
      schema: {
        summary: "Delete the own account",
        description: "Messages stay, and show the name `deleted user`. The id is not given again.",
        tags: ["users"],
        response: answered,
      },
    },
    async (request, reply) => {
      const caller = await authenticator.authenticate(request.headers.authorization);
      return confirmed(reply, await deleteAccount(context, caller));
    },
  );
}

function search(server: FastifyInstance, { authenticator, people }: UserRoutesContext): void {
  server.withTypeProvider<TypeBoxTypeProvider>().get(
    "/v1/users",
    {
      schema: {
        summary: "Users whose id or name begins so",
        tags: ["users"],
        querystring: shapes.searchQuery,
        response: { 200: shapes.found },
      },
    },
    async (request) => {
      await authenticator.authenticate(request.headers.authorization);
      const { search: text, limit = DEFAULT_LIMIT, cursor } = request.query;
      const found = await people.search(text, limit + 1, readIdCursor("users", cursor));
      return pageById("users", found, limit, ({ userId }) => userId);
    },
  );
}

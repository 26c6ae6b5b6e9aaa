/** Invitations to groups, over HTTP. */

import { acceptInvitation, tellGroups } from "@carillon/operations";
import { CarillonError } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { callerOf } from "../../http/access";
import { pageById, readIdCursor } from "../../http/cursor";
import { DEFAULT_LIMIT, listQuery, nothing } from "../../http/shapes";
import type { ApiParts } from "../../parts";
import { changeGroup } from "./change-group";
import { type Bringing, bringing } from "./requests";
import * as shapes from "./shapes";

interface GroupParams {
  groupId: string;
}

export function invitationRoutes(server: FastifyInstance, api: ApiParts): void {
  const { invitations, clock } = api;
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.get(
    "/v1/group-invitations",
    {
      config: { access: "user", errors: [] },
      schema: {
        summary: "List one's own invitations to groups",
        description: "Devices receive CHANGED {what: `groups`} for a new invitation.",
        tags: ["groups"],
        querystring: listQuery,
        response: { 200: shapes.invitations },
      },
    },
    async (request) => {
      const { limit = DEFAULT_LIMIT, cursor } = request.query;
      const after = readIdCursor("invitations", cursor);
      const found = await invitations.list(callerOf(request).userId, limit + 1, after);
      return pageById("invitations", found, limit, ({ groupId }) => groupId);
    },
  );

  routes.post<{ Params: GroupParams }>(
    "/v1/group-invitations/:groupId/accept",
    {
      config: { access: "user", errors: ["NOT_FOUND", "FORBIDDEN"] },
      schema: { summary: "Accept an invitation and join the group", tags: ["groups"], response: { 204: nothing } },
    },
    async (request, reply) => {
      await acceptInvited(api, callerOf(request).userId, request.params.groupId);
      return reply.code(204).send();
    },
  );

  routes.post<{ Params: GroupParams }>(
    "/v1/group-invitations/:groupId/reject",
    {
      config: { access: "user", errors: ["NOT_FOUND"] },
      schema: {
        summary: "Reject an invitation; nobody is told, and nobody can invite the caller there again for a week",
        tags: ["groups"],
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const isThere = await invitations.turnDown(callerOf(request).userId, request.params.groupId, clock.now());
      if (!isThere) throw new CarillonError("NOT_FOUND", "there is no such invitation");
      return reply.code(204).send();
    },
  );
}

/** Inviting users, and their answers. */

/**
 * Decides for each of these users how they would enter a group.
 * @throws CarillonError NO_SUCH_USER, NOT_FRIENDS, BLOCKED
 */
export async function sortBrought(
  { invitations, config }: ApiParts,
  actorId: string,
  groupId: string,
  userIds: string[],
): Promise<Record<Bringing, string[]>> {
  const policy = { strangers: config.policy.strangers, whoMayAdd: config.groups.whoMayAdd };
  const facts = await invitations.facts(actorId, groupId, userIds);
  const known = new Map(facts.map((one) => [one.userId, one]));
  const sorted: Record<Bringing, string[]> = { join: [], invite: [], drop: [] };
  for (const userId of userIds) {
    const one = known.get(userId);
    if (one === undefined) throw new CarillonError("NO_SUCH_USER", `there is no user ${userId}`);
    sorted[bringing(one, policy)].push(userId);
  }
  return sorted;
}

/** Asks users whether they want to belong to a group; their devices hear that there is news about groups. */
export async function invite(
  { invitations, changes, clock }: ApiParts,
  actorId: string,
  groupId: string,
  userIds: string[],
): Promise<void> {
  const version = clock.now();
  const invited = await invitations.invite(groupId, actorId, userIds, version);
  tellGroups(changes, invited, version);
}

/** @throws CarillonError NOT_FOUND when there is no invitation (any more), FORBIDDEN (full) */
async function acceptInvited(api: ApiParts, userId: string, groupId: string): Promise<void> {
  const { invitations, groups, groupLimits } = api;
  const inviterId = await invitations.inviterOf(userId, groupId);
  if (inviterId === undefined) {
    // The device repeats the request after a lost answer.
    if ((await groups.member(groupId, userId))?.isPresent === true) return;
    throw new CarillonError("NOT_FOUND", "there is no such invitation");
  }
  const rule = acceptInvitation(userId, inviterId, groupLimits.members);
  await changeGroup(api, userId, groupId, [userId, inviterId], rule);
}

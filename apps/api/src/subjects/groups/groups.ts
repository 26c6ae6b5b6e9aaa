/** Groups over HTTP. */
import { changeMember, changeProfile, dissolve, muteAll, removeMember, transfer } from "@carillon/operations";
import { CarillonError } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { callerOf } from "../../http/access";
import { pageById, readIdCursor } from "../../http/cursor";
import { DEFAULT_LIMIT, listQuery, nothing } from "../../http/shapes";
import type { ApiParts } from "../../parts";
import { changeGroup, mustBeMember } from "./change-group";
import { doorRoutes } from "./doors";
import { bringIn, createGroup, joinGroup } from "./entrances";
import { invitationRoutes } from "./invitations";
import * as shapes from "./shapes";

interface GroupParams {
  groupId: string;
}
interface MemberParams extends GroupParams {
  userId: string;
}

export function groupRoutes(server: FastifyInstance, api: ApiParts): void {
  reading(server, api);
  changing(server, api);
  ending(server, api);
  members(server, api);
  changingMembers(server, api);
  doorRoutes(server, api);
  invitationRoutes(server, api);
}

function reading(server: FastifyInstance, api: ApiParts): void {
  const { groups } = api;
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.get(
    "/v1/groups",
    {
      config: { access: "user", errors: [] },
      schema: {
        summary: "List the groups that the caller belongs to",
        tags: ["groups"],
        querystring: listQuery,
        response: { 200: shapes.groups },
      },
    },
    async (request) => {
      const userId = callerOf(request).userId;
      const { limit = DEFAULT_LIMIT, cursor } = request.query;
      const found = await groups.groupsOf(userId, limit + 1, readIdCursor("groups", cursor));
      const page = pageById("groups", found, limit, ({ groupId }) => groupId);
      return { ...page, items: page.items.map(shapes.present) };
    },
  );

  routes.get<{ Params: GroupParams }>(
    "/v1/groups/:groupId",
    {
      config: { access: "user", errors: ["NOT_FOUND"] },
      schema: { summary: "Read a group", tags: ["groups"], response: { 200: shapes.group } },
    },
    async (request) => {
      const { groupId } = request.params;
      const userId = callerOf(request).userId;
      const group = await groups.find(groupId);
      const isMember = (await groups.member(groupId, userId))?.isPresent === true;
      // A user who can enter by invitation only learns nothing before.
      if (group === undefined || (!isMember && (group.joinPolicy === "invite" || group.dissolved))) {
        throw new CarillonError("NOT_FOUND", "no such group");
      }
      return shapes.present(group);
    },
  );
}

function changing(server: FastifyInstance, api: ApiParts): void {
  const { groups } = api;
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.post(
    "/v1/groups",
    {
      config: {
        audit: "group.create",
        access: "user",
        errors: ["NO_SUCH_USER", "CONFLICT", "FORBIDDEN", "NOT_FRIENDS", "BLOCKED"],
      },
      schema: {
        summary: "Create a group",
        description:
          "Users who want to be asked first get an invitation, and are named in `invited`. 200: the same request has created " +
          "the group before; the answer shows it as it is now.",
        tags: ["groups"],
        body: shapes.createBody,
        response: { 200: shapes.created, 201: shapes.created },
      },
    },
    async (request, reply) => {
      const { group, invited, isNew } = await createGroup(api, callerOf(request).userId, request.body);
      return reply
        .code(isNew ? 201 : 200)
        .send({ ...shapes.present(group), ...(invited.length === 0 ? {} : { invited }) });
    },
  );

  routes.patch<{ Params: GroupParams }>(
    "/v1/groups/:groupId",
    {
      config: { audit: "group.change", access: "user", errors: ["NOT_A_MEMBER", "FORBIDDEN", "GROUP_DISSOLVED"] },
      schema: {
        summary: "Change name, notice or join policy, or mute all members",
        tags: ["groups"],
        body: shapes.changeBody,
        response: { 200: shapes.group },
      },
    },
    async (request) => {
      const { groupId } = request.params;
      const actor = callerOf(request).userId;
      const { muted, ...profile } = request.body as { muted?: boolean; name?: string };
      if (Object.keys(profile).length > 0) await changeGroup(api, actor, groupId, [], changeProfile(actor, profile));
      if (muted !== undefined) await changeGroup(api, actor, groupId, [], muteAll(actor, muted));
      await mustBeMember(api, actor, groupId);
      return shapes.present((await groups.find(groupId))!);
    },
  );
}

function ending(server: FastifyInstance, api: ApiParts): void {
  const { groups, clock } = api;
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.delete<{ Params: GroupParams }>(
    "/v1/groups/:groupId",
    {
      config: { audit: "group.dissolve", access: "user", errors: ["NOT_A_MEMBER", "FORBIDDEN", "GROUP_DISSOLVED"] },
      schema: { summary: "Dissolve a group; its history stays", tags: ["groups"], response: { 204: nothing } },
    },
    async (request, reply) => {
      const actor = callerOf(request).userId;
      await changeGroup(api, actor, request.params.groupId, [], dissolve(actor, clock.now()));
      return reply.code(204).send();
    },
  );

  routes.post<{ Params: GroupParams }>(
    "/v1/groups/:groupId/transfer",
    {
      config: {
        audit: "group.transfer",
        access: "user",
        errors: ["NOT_A_MEMBER", "FORBIDDEN", "GROUP_DISSOLVED", "NOT_FOUND"],
      },
      schema: {
        summary: "Transfer a group to another member",
        tags: ["groups"],
        body: shapes.memberBody,
        response: { 200: shapes.group },
      },
    },
    async (request) => {
      const { groupId } = request.params;
      const actor = callerOf(request).userId;
      const { userId } = request.body as { userId: string };
      await changeGroup(api, actor, groupId, [userId], transfer(actor, userId));
      return shapes.present((await groups.find(groupId))!);
    },
  );
}

function members(server: FastifyInstance, api: ApiParts): void {
  const { groups } = api;
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.get<{ Params: GroupParams }>(
    "/v1/groups/:groupId/members",
    {
      config: { access: "user", errors: ["NOT_A_MEMBER"] },
      schema: {
        summary: "List the members by id",
        tags: ["groups"],
        querystring: listQuery,
        response: { 200: shapes.members },
      },
    },
    async (request) => {
      const { groupId } = request.params;
      await mustBeMember(api, callerOf(request).userId, groupId);
      const { limit = DEFAULT_LIMIT, cursor } = request.query as { limit?: number; cursor?: string };
      const found = await groups.members(groupId, limit + 1, readIdCursor("members", cursor));
      const page = pageById("members", found, limit, ({ userId }) => userId);
      return { ...page, items: page.items.map(shapes.presentMember) };
    },
  );

  routes.post<{ Params: GroupParams }>(
    "/v1/groups/:groupId/members",
    {
      config: {
        audit: "group.member.add",
        access: "user",
        errors: [
          "NOT_A_MEMBER",
          "FORBIDDEN",
          "GROUP_DISSOLVED",
          "NO_SUCH_USER",
          "NOT_FOUND",
          "NOT_FRIENDS",
          "BLOCKED",
          "BANNED",
        ],
      },
      schema: {
        summary: "Join a group, or add another user",
        description:
          "202 `asked`: an admin has to agree first. 202 `invited`: the other user has an invitation, and decides. " +
          "An admin who adds a removed user lifts the ban.",
        tags: ["groups"],
        body: shapes.memberBody,
        response: { 201: shapes.joined, 202: shapes.joined },
      },
    },
    async (request, reply) => {
      const { userId } = request.body as { userId: string };
      const { groupId } = request.params;
      const actorId = callerOf(request).userId;
      const isOwn = actorId === userId;
      const state = await (isOwn ? joinGroup(api, userId, groupId) : bringIn(api, actorId, groupId, userId));
      return reply.code(state === "joined" ? 201 : 202).send({ userId, state });
    },
  );
}

function changingMembers(server: FastifyInstance, api: ApiParts): void {
  const routes = server.withTypeProvider<TypeBoxTypeProvider>();

  routes.patch<{ Params: MemberParams }>(
    "/v1/groups/:groupId/members/:userId",
    {
      config: {
        audit: "group.member.change",
        access: "user",
        errors: ["NOT_A_MEMBER", "FORBIDDEN", "GROUP_DISSOLVED", "NOT_FOUND"],
      },
      schema: {
        summary: "Change the role of a member, or mute a member",
        tags: ["groups"],
        body: shapes.changeMemberBody,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { groupId, userId } = request.params;
      const actor = callerOf(request).userId;
      const { role, mutedUntil } = request.body as { role?: "admin" | "member"; mutedUntil?: number };
      const both = [role !== undefined && { role }, mutedUntil !== undefined && { mutedUntil }];
      for (const change of both) {
        if (change)
          await changeGroup(api, actor, groupId, [userId], changeMember(actor, userId, change, api.clock.now()));
      }
      return reply.code(204).send();
    },
  );

  routes.delete<{ Params: MemberParams }>(
    "/v1/groups/:groupId/members/:userId",
    {
      config: {
        audit: "group.member.remove",
        access: "user",
        errors: ["NOT_A_MEMBER", "FORBIDDEN", "GROUP_DISSOLVED", "CONFLICT"],
      },
      schema: {
        summary: "Remove a member; `me`: leave the group",
        description: "A removed user is banned: only an admin can add them again, or lift the ban.",
        tags: ["groups"],
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { groupId } = request.params;
      const actor = callerOf(request).userId;
      const userId = request.params.userId === "me" ? actor : request.params.userId;
      await changeGroup(api, actor, groupId, [userId], removeMember(actor, userId));
      return reply.code(204).send();
    },
  );
}

/**
 * Writes into the audit log what operators, API keys and the admins of groups do to others. Each route names its act beside its
 * access (`config.audit`), and a route that changes something under /v1/admin or /v1/groups cannot be made without one.
 *
 * The entry is written before the answer leaves. When MySQL cannot take it, the answer is BUSY although the act may have
 * happened, as after any other failure of MySQL; the log of the process has the entry then. Nothing is written about callers who
 * were not let in: strangers could fill the table.
 */
import type { AuditEntry } from "@carillon/store";
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from "fastify";
import type { ApiParts } from "../parts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** The name of the act in the audit log. */
    audit?: string;
  }
  interface FastifyRequest {
    /** The address of the caller, taken at the beginning: a connection that has ended knows it no more. */
    from: string;
  }
}

/** The address of a caller who has ended the connection before anybody could look. */
const GONE = "unknown";

/** Makes every route that names an act write it into the audit log. */
export function auditRoutes(server: FastifyInstance, api: Pick<ApiParts, "auditLog" | "clock" | "logger">): void {
  server.addHook("onRoute", (route) => {
    if (isActOnOthers(route) && route.config?.audit === undefined) {
      throw new Error(`${route.method} ${route.url} does not name its act for the audit log`);
    }
  });
  server.decorateRequest("from", "");
  server.addHook("onRequest", async (request) => {
    if (request.routeOptions.config.audit !== undefined) request.from = request.ip ?? GONE;
  });
  server.addHook("onSend", async (request, reply, payload) => {
    const entries = entriesOf(request, reply, payload, api.clock.now());
    if (entries.length === 0) return;
    try {
      await api.auditLog.add(entries);
    } catch (err) {
      api.logger.error({ err, entries }, "the audit log did not take an act");
      // A request that has failed is answered with its own error.
      if (reply.statusCode < 400) throw err;
    }
  });
}

/** Whether a route can change what belongs to others: it changes something, for operators, or in a group. */
function isActOnOthers({ method, url }: RouteOptions): boolean {
  const onlyReads = [method].flat().every((name) => ["GET", "HEAD", "OPTIONS"].includes(name));
  return !onlyReads && /^\/v1\/(admin|groups)(\/|$)/.test(url);
}

/** Requests that these errors end have not been acts: they made no sense, came too fast, or came from outside the group. */
const NO_ACTS = ["BAD_PAYLOAD", "FRAME_TOO_LARGE", "RATE_LIMITED", "NOT_A_MEMBER"];

/** The entries about a request: one for each user to whom something was done. */
function entriesOf(request: FastifyRequest, reply: FastifyReply, payload: unknown, now: number): AuditEntry[] {
  const act = request.routeOptions.config.audit;
  const who = callerName(request);
  if (act === undefined || who === undefined) return [];
  const answer = fieldsOf(typeof payload === "string" ? parse(payload) : undefined);
  const result = reply.statusCode < 400 ? "ok" : String(answer["name"]);
  if (NO_ACTS.includes(result)) return [];
  const named = { ...(result === "ok" ? answer : {}), ...fieldsOf(request.body), ...fieldsOf(request.params) };
  const entry = { at: now, who, from: request.from, act, result };
  return objectsOf(named)
    .filter(({ whom }) => !(act.startsWith("group.") && isSelf(whom, who)))
    .map(({ whom, place }) => ({ ...entry, whom, place, details: detailsOf(request.body, answer, whom) }));
}

function callerName({ by, caller }: FastifyRequest): string | undefined {
  if (by !== "") return by;
  return caller === undefined ? undefined : `user:${caller.userId}`;
}

/** `me` stands for the caller. */
const isSelf = (whom: string | undefined, who: string) => whom === who || whom === "user:me";

type Objects = Pick<AuditEntry, "whom" | "place">[];

/** To what something was done, by the names that ids have in all routes. */
function objectsOf(named: Record<string, unknown>): Objects {
  const { userId, userIds, groupId, id, broadcastId, conversationId, seq } = named;
  if (isText(broadcastId)) return [{ whom: `broadcast:${broadcastId}` }];
  if (isText(conversationId) && seq !== undefined) return [{ whom: `message:${conversationId}#${seq}` }];
  if (isText(id)) return [{ whom: `key:${id}` }];
  const group = isText(groupId) ? `group:${groupId}` : undefined;
  const users = (Array.isArray(userIds) ? [...new Set(userIds)] : [userId]).filter(isText);
  if (users.length === 0) return [{ whom: group }];
  return users.map((user) => ({ whom: `user:${user}`, place: group }));
}

/** The values of a request that matter afterwards. No password, token or content of a message is among them. */
const DETAILS = [
  ...["displayName", "name", "notice", "joinPolicy", "muted", "mutedUntil", "until", "role", "scopes"],
  ...["ownerId", "members", "deviceId", "platform", "senderId", "contentType"],
];

/** @param answer a change of many users says in it what became of each */
function detailsOf(body: unknown, answer: Record<string, unknown>, whom: string | undefined): AuditEntry["details"] {
  const details = Object.fromEntries(Object.entries(fieldsOf(body)).filter(([key]) => DETAILS.includes(key)));
  const outcomes = Array.isArray(answer["items"]) ? answer["items"].map(fieldsOf) : [];
  const state = outcomes.find(({ userId }) => `user:${userId}` === whom)?.["state"];
  const all = state === undefined ? details : { ...details, state };
  return Object.keys(all).length === 0 ? undefined : all;
}

const isText = (value: unknown): value is string => typeof value === "string";

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** An answer is JSON, or nothing. */
function parse(text: string): unknown {
  return text === "" ? undefined : JSON.parse(text);
}

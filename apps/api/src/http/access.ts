/**
 * Which callers may use a route, and how the route can fail. Each route says both beside its address, and this file enforces it.
 * The token is checked before any other part of a request, so a stranger learns nothing from the errors of the rest.
 */
import type { ApiKeyScope } from "@carillon/base/node";
import { CarillonError, type ErrorName, errorByName } from "@carillon/protocol";
import type { FastifyInstance, FastifyRequest, RouteOptions } from "fastify";
import { type Authenticator, type Caller, isKey } from "../auth/authenticate";
import type { HttpAdmission, Work } from "./admission";
import { exampleOf, type Shape } from "./examples";
import { errorBody } from "./shapes";

/**
 * `token`: a person whose token is good by itself, without a look into MySQL; `operator`: people of that role only;
 * `scope`: these, and API keys with the scope; `key`: API keys only.
 */
type Access = "anybody" | "token" | "user" | "operator" | { scope: ApiKeyScope } | { key: ApiKeyScope };

declare module "fastify" {
  interface FastifyContextConfig {
    access?: Access;
    /** The kind of work; by default it follows from the method. */
    work?: Work;
    /** Names of the route's own errors, in addition to those of `access` and of malformed requests. */
    errors?: readonly ErrorName[];
  }
  interface FastifyRequest {
    caller: Caller | undefined;
    /** Operator or key, for the log. */
    by: string;
  }
}

/** The person who calls, on routes that let persons in. */
export function callerOf({ caller }: FastifyRequest): Caller {
  if (caller === undefined) throw new Error("a route that does not let persons in asks who it is");
  return caller;
}

export interface Guards {
  authenticator: Authenticator;
  admission: HttpAdmission;
}

/** Makes every route under /v1 let in the callers that it names, in their turn, and documents that. */
export function guardRoutes(server: FastifyInstance, guards: Guards): void {
  server.decorateRequest("caller", undefined);
  server.decorateRequest("by", "");
  server.addHook("onRoute", (route) => {
    if (!route.url.startsWith("/v1/")) return;
    const { access, errors } = route.config ?? {};
    if (access === undefined || errors === undefined) {
      throw new Error(`${route.method} ${route.url} does not say who may call it, or how it fails`);
    }
    route.schema = { ...route.schema, ...documented(route, access, errors) };
    route.handler = inTurn(route, guards.admission);
  });
  server.addHook("onRequest", async (request) => {
    const { access } = request.routeOptions.config;
    if (access !== undefined) await letIn(guards, access, request);
    refuseOddIds(request);
  });
}

/**
 * Ids consist of ASCII letters, and MySQL cannot even compare other text with them: the answer is that there is no such thing.
 */
function refuseOddIds({ params, routeOptions }: FastifyRequest): void {
  const ids = Object.values((params ?? {}) as Record<string, unknown>);
  if (ids.every((id) => /^[\x20-\x7e]*$/.test(String(id)))) return;
  const { errors = [] } = routeOptions.config;
  throw new CarillonError(errors.find((name) => errorByName(name).httpStatus === 404) ?? "NOT_FOUND");
}

/** The handler of a route, begun when it is its turn. */
function inTurn(route: RouteOptions, admission: HttpAdmission): RouteOptions["handler"] {
  const { handler } = route;
  const work = workOf(route.method, route.config?.access, route.config?.work);
  return async function handleInTurn(request, reply) {
    return admission.run(work, request, async () => handler.call(this, request, reply));
  };
}

/** A route that needs no token, or no look into MySQL for it, is bounded by its own limits where it costs something. */
function workOf(method: string | string[], access: Access | undefined, work: Work | undefined): Work {
  if (work !== undefined) return work;
  if (access === "anybody" || access === "token") return "none";
  return [method].flat().every((name) => name === "GET" || name === "HEAD") ? "read" : "write";
}

/** Tells a program that keys may not call this route, instead of telling it to log in. */
const FOR_OPERATORS = "no API key may call this: it needs the access token of an operator";
const FOR_USERS = "no API key may call this, only a user: what keys may call is under /v1/admin";

async function letIn({ authenticator, admission }: Guards, access: Access, request: FastifyRequest): Promise<void> {
  const { authorization } = request.headers;
  if (access === "anybody") return;
  if (typeof access !== "string" && ("key" in access || isKey(authorization))) {
    const scope = "key" in access ? access.key : access.scope;
    request.by = await authenticator.authorizeKey(authorization, scope, request.ip);
    return;
  }
  if (isKey(authorization)) throw new CarillonError("FORBIDDEN", access === "operator" ? FOR_OPERATORS : FOR_USERS);
  const claims = authenticator.readToken(authorization);
  const { method, config } = request.routeOptions;
  // A user who asks too much is told so before MySQL is asked about them.
  admission.pay(workOf(method, access, config.work), claims.userId);
  if (access === "token") request.caller = claims;
  else if (access === "user") request.caller = await authenticator.checkSession(claims);
  else request.by = await authenticator.checkOperator(claims);
}

/** Errors by their HTTP status, and who may call, as OpenAPI shows it. */
function documented(route: RouteOptions, access: Access, errors: readonly ErrorName[]): object {
  const { response = {}, description, body, querystring } = (route.schema ?? {}) as Record<string, object | undefined>;
  const hasInput = body !== undefined || querystring !== undefined || route.url.includes(":");
  const names = new Set<ErrorName>([
    ...errors,
    ...errorsOf(access),
    ...(hasInput ? ["BAD_PAYLOAD" as const] : []),
    "BUSY",
  ]);
  const failures: Record<string, object> = {};
  for (const status of new Set([...names].map((name) => errorByName(name).httpStatus))) {
    const rows = [...names].map((name) => errorByName(name)).filter(({ httpStatus }) => httpStatus === status);
    const examples = rows.map(({ code, name, text }) => ({ code, name, message: text }));
    failures[status] = { ...errorBody, description: rows.map(({ name }) => name).join(", "), examples };
  }
  const { audit } = route.config ?? {};
  const audited = audit === undefined ? undefined : `Audit log: \`${audit}\`.`;
  const answers = Object.entries(response).map(([status, shape]) => [status, withExample(shape)]);
  return {
    ...(body === undefined ? {} : { body: withExample(body) }),
    description: [description, ACCESS[kindOf(access)](access), audited]
      .filter((text) => text !== undefined)
      .join("\n\n"),
    response: { ...Object.fromEntries(answers), ...failures },
    security: access === "anybody" ? [] : [{ bearer: [] }],
  };
}

function withExample(shape: Shape): Shape {
  return shape.type === "null" ? shape : { ...shape, examples: [exampleOf(shape)] };
}

const kindOf = (access: Access) => (typeof access === "string" ? access : "key" in access ? "key" : "scope");

const ACCESS: Record<ReturnType<typeof kindOf>, (access: Access) => string> = {
  anybody: () => "Access: anybody.",
  token: () => "Access: an access token.",
  user: () => "Access: an access token.",
  operator: () => "Access: operators.",
  scope: (access) => `Access: operators, and API keys with the scope \`${(access as { scope: string }).scope}\`.`,
  key: (access) => `Access: API keys with the scope \`${(access as { key: string }).key}\`.`,
};

function errorsOf(access: Access): ErrorName[] {
  if (access === "anybody") return [];
  if (access === "token") return ["NOT_AUTHENTICATED", "TOKEN_EXPIRED", "FORBIDDEN"];
  return ["NOT_AUTHENTICATED", "TOKEN_EXPIRED", "TOKEN_REVOKED", "USER_DISABLED", "RATE_LIMITED", "FORBIDDEN"];
}

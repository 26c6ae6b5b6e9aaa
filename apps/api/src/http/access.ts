/**
 * Who may call a route, and how it can fail: each route says it beside its address, and this file holds it to that. The
 * token is looked at before anything else of a request, so a stranger learns nothing from what is wrong with it.
 */
import type { ApiKeyScope } from "@carillon/base/node";
import { CarillonError, type ErrorName, errorByName } from "@carillon/protocol";
import type { FastifyInstance, FastifyRequest, RouteOptions } from "fastify";
import type { Authenticator, Caller } from "../auth/authenticate";
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
    /** Names of what can go wrong, besides what `access` and a malformed request bring. */
    errors?: readonly ErrorName[];
  }
  interface FastifyRequest {
    caller: Caller | undefined;
    /** Operator or key, for the log. */
    by: string;
  }
}

/** The person who asks, on routes that let persons in. */
export function callerOf({ caller }: FastifyRequest): Caller {
  if (caller === undefined) throw new Error("a route that does not let persons in asks who it is");
  return caller;
}

/** Makes every route under /v1 let in whom it names, and the documentation tell it. */
export function guardRoutes(server: FastifyInstance, authenticator: Authenticator): void {
  server.decorateRequest("caller", undefined);
  server.decorateRequest("by", "");
  server.addHook("onRoute", (route) => {
    if (!route.url.startsWith("/v1/")) return;
    const { access, errors } = route.config ?? {};
    if (access === undefined || errors === undefined) {
      throw new Error(`${route.method} ${route.url} does not say who may call it, or how it fails`);
    }
    route.schema = { ...route.schema, ...documented(route, access, errors) };
  });
  server.addHook("onRequest", async (request) => {
    const { access } = request.routeOptions.config;
    if (access !== undefined) await letIn(authenticator, access, request);
    refuseOddIds(request);
  });
}

/** Nothing has an id with other than ASCII letters, and MySQL cannot even compare one: it is answered as one that is not there. */
function refuseOddIds({ params, routeOptions }: FastifyRequest): void {
  const ids = Object.values((params ?? {}) as Record<string, unknown>);
  if (ids.every((id) => /^[\x20-\x7e]*$/.test(String(id)))) return;
  const { errors = [] } = routeOptions.config;
  throw new CarillonError(errors.find((name) => errorByName(name).httpStatus === 404) ?? "NOT_FOUND");
}

async function letIn(authenticator: Authenticator, access: Access, request: FastifyRequest): Promise<void> {
  const { authorization } = request.headers;
  if (access === "anybody") return;
  if (access === "token") request.caller = authenticator.readToken(authorization);
  else if (access === "user") request.caller = await authenticator.authenticate(authorization);
  else if (access === "operator") request.by = await authenticator.authorizeOperator(authorization);
  else if ("key" in access) request.by = await authenticator.authorizeKey(authorization, access.key);
  else request.by = await authenticator.authorize(authorization, access.scope);
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
  const answers = Object.entries(response).map(([status, shape]) => [status, withExample(shape)]);
  return {
    ...(body === undefined ? {} : { body: withExample(body) }),
    description: [description, ACCESS[kindOf(access)](access)].filter((text) => text !== undefined).join("\n\n"),
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
  if (access === "token") return ["NOT_AUTHENTICATED", "TOKEN_EXPIRED"];
  const ofTokens: ErrorName[] = ["NOT_AUTHENTICATED", "TOKEN_EXPIRED", "TOKEN_REVOKED", "USER_DISABLED"];
  return access === "user" ? ofTokens : [...ofTokens, "FORBIDDEN"];
}

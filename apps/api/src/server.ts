/** The HTTP server: limits, schemas, documentation, and the routes. */

import type { Server as SecureServer } from "node:https";
import { guarded, reportCaught } from "@carillon/base";
import { type Certificate, expectResets, httpsOptions } from "@carillon/base/node";
import cors from "@fastify/cors";
import helmet from "@fastify/helmet";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import fastify, { type FastifyInstance } from "fastify";
import { guardRoutes } from "./http/access";
import { auditRoutes } from "./http/audit";
import { compileCheck } from "./http/checks";
import { answerClientError, answerFailures, sendError, toCarillonError } from "./http/failures";
import { healthRoutes } from "./http/health";
import type { LeaseJob } from "./jobs/lease-job";
import type { ApiParts } from "./parts";
import { auditLogRoutes } from "./subjects/admin/audit-log";
import { broadcastRoutes } from "./subjects/admin/broadcasts";
import { adminGroupRoutes } from "./subjects/admin/groups";
import { keyRoutes } from "./subjects/admin/keys";
import { moderationRoutes } from "./subjects/admin/moderation";
import { operationRoutes } from "./subjects/admin/operations";
import { adminRoutes } from "./subjects/admin/users";
import { conversationRoutes } from "./subjects/conversations/conversations";
import { gatewayRoutes } from "./subjects/conversations/gateways";
import { messageRoutes } from "./subjects/conversations/messages";
import { groupRoutes } from "./subjects/groups/groups";
import { oidcRoutes } from "./subjects/people/oidc";
import { presenceRoutes } from "./subjects/people/presence";
import { relationRoutes } from "./subjects/people/relations";
import { sessionRoutes } from "./subjects/people/sessions";
import { userRoutes } from "./subjects/people/users";

/** The largest request is a registration: some hundred bytes. */
const MOST_BODY_BYTES = 64 * 1024;
/** A conversation of two whose ids have 64 characters, each of them percent-encoded. */
const MOST_PARAM_LENGTH = 400;
/** A client that sends its request slower than this is cut off, ms. */
const REQUEST_MS = 15_000;
const IDLE_MS = 65_000;
const HEADERS_MS = 5_000;
const CHECK_MS = 1_000;

/** The page of the documentation loads nothing from elsewhere. */
const DOCS_CSP = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'";

/** @param certificate with it the server speaks HTTPS */
export async function buildServer(
  api: ApiParts,
  broadcasts: Pick<LeaseJob, "wake">,
  certificate?: Certificate,
): Promise<FastifyInstance> {
  const { trustProxy, maxConnections } = api.config.api;
  const server = fastify({
    logger: false,
    // Only the address that a listed proxy has seen itself counts: a client cannot put another address before its own.
    trustProxy: trustProxy.length === 0 ? false : [...trustProxy],
    bodyLimit: MOST_BODY_BYTES,
    routerOptions: { maxParamLength: MOST_PARAM_LENGTH },
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: IDLE_MS,
    // A silent connection ends as early as a silent connection to a gateway.
    ...listening(certificate),
    forceCloseConnections: "idle",
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => {
      const belonging = { remote: socket.remoteAddress ?? "", end: () => void socket.destroy() };
      guarded("http", answerClientError, belonging)(error, socket);
    },
    frameworkErrors: (error, _, reply) => void sendError(reply, toCarillonError(error)),
  });
  // A reset may come at any moment. A later error of the listener itself must not end the process.
  expectResets(server.server);
  server.server.maxConnections = maxConnections;
  certificate?.follow(server.server as unknown as SecureServer);
  server.addHook("onListen", async () => {
    server.server.on("error", (error) => reportCaught("listener", error));
  });
  server.setValidatorCompiler(compileCheck);
  answerFailures(server, api.logger);
  // Tokens travel in a header that no foreign page can make a browser send: any page may call.
  await server.register(cors, { origin: true, methods: ["GET", "POST", "PUT", "PATCH", "DELETE"], maxAge: 600 });
  await server.register(helmet, {
    crossOriginResourcePolicy: { policy: "cross-origin" },
    strictTransportSecurity: false,
  });
  await server.register(swagger, { openapi: openApi() });
  await server.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: DOCS_CSP,
    uiConfig: { docExpansion: "list", validatorUrl: null },
  });
  await server.register(async (routes) => {
    guardRoutes(routes, api);
    auditRoutes(routes, api);
    sessionRoutes(routes, api);
    oidcRoutes(routes, api);
    gatewayRoutes(routes, api);
    conversationRoutes(routes, api);
    groupRoutes(routes, api);
    relationRoutes(routes, api);
    presenceRoutes(routes, api);
    userRoutes(routes, api);
    adminRoutes(routes, api);
    adminGroupRoutes(routes, api);
    moderationRoutes(routes, api);
    messageRoutes(routes, api);
    keyRoutes(routes, api);
    operationRoutes(routes, api);
    auditLogRoutes(routes, api);
    broadcastRoutes(routes, api, broadcasts);
    healthRoutes(routes, api);
  });
  return server;
}

/** Fastify has a type of its own for HTTPS, though nothing but the socket differs. */
function listening(certificate: Certificate | undefined) {
  const http = { headersTimeout: HEADERS_MS, connectionsCheckingInterval: CHECK_MS };
  if (certificate === undefined) return { http };
  const https = { ...http, ...httpsOptions(certificate, HEADERS_MS) };
  return { https } as unknown as { http: typeof http };
}

function openApi() {
  return {
    openapi: "3.1.0",
    info: {
      title: "Carillon",
      version: "1",
      description:
        "Users, sessions, relations, groups, conversations, and routes for operators. Messages between users travel over the client protocol.",
    },
    components: { securitySchemes: { bearer: { type: "http" as const, scheme: "bearer" } } },
    security: [{ bearer: [] }],
  };
}

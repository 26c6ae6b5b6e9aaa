/** The HTTP server: limits, schemas, documentation, and the routes. */

import { guarded, reportCaught } from "@carillon/base";
import { expectResets, type Logger } from "@carillon/base/node";
import cors from "@fastify/cors";
import helmet from "@fastify/helmet";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import fastify, { type FastifyInstance } from "fastify";
import { type Guards, guardRoutes } from "./http/access";
import { compileCheck } from "./http/checks";
import { answerClientError, answerFailures, sendError, toCarillonError } from "./http/failures";
import { type HealthContext, healthRoutes } from "./http/health";
import { type BroadcastRoutesContext, broadcastRoutes } from "./subjects/admin/broadcasts";
import type { AdminGroupsContext } from "./subjects/admin/group-members";
import { adminGroupRoutes } from "./subjects/admin/groups";
import { type KeyRoutesContext, keyRoutes } from "./subjects/admin/keys";
import { type ModerationRoutesContext, moderationRoutes } from "./subjects/admin/moderation";
import { type OperationRoutesContext, operationRoutes } from "./subjects/admin/operations";
import { type AdminRoutesContext, adminRoutes } from "./subjects/admin/users";
import { type ConversationRoutesContext, conversationRoutes } from "./subjects/conversations/conversations";
import { type GatewayRoutesContext, gatewayRoutes } from "./subjects/conversations/gateways";
import { type MessageRoutesContext, messageRoutes } from "./subjects/conversations/messages";
import { type GroupRoutesContext, groupRoutes } from "./subjects/groups/groups";
import type { SessionContext } from "./subjects/people/devices";
import { type PresenceContext, presenceRoutes } from "./subjects/people/presence";
import type { RelationContext } from "./subjects/people/relation-rules";
import { relationRoutes } from "./subjects/people/relations";
import { sessionRoutes } from "./subjects/people/sessions";
import { type UserRoutesContext, userRoutes } from "./subjects/people/users";

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

export type ApiContext = Guards &
  SessionContext &
  ConversationRoutesContext &
  GroupRoutesContext &
  RelationContext &
  PresenceContext &
  UserRoutesContext &
  AdminRoutesContext &
  AdminGroupsContext &
  ModerationRoutesContext &
  MessageRoutesContext &
  KeyRoutesContext &
  OperationRoutesContext &
  BroadcastRoutesContext &
  GatewayRoutesContext &
  HealthContext;

export interface ServerOptions {
  logger: Logger;
  /** Proxies whose X-Forwarded-For is believed. */
  trustProxy: readonly string[];
  /** Connections at once; more are closed. */
  maxConnections: number;
}

export async function buildServer(context: ApiContext, options: ServerOptions): Promise<FastifyInstance> {
  const server = fastify({
    logger: false,
    // Only what a proxy of the list has seen itself counts: a client cannot put an address before its own.
    trustProxy: options.trustProxy.length === 0 ? false : [...options.trustProxy],
    bodyLimit: MOST_BODY_BYTES,
    routerOptions: { maxParamLength: MOST_PARAM_LENGTH },
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: IDLE_MS,
    // Who says nothing is cut off as soon as one who says nothing to a gateway.
    http: { headersTimeout: HEADERS_MS, connectionsCheckingInterval: CHECK_MS },
    forceCloseConnections: "idle",
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => {
      const belonging = { remote: socket.remoteAddress ?? "", end: () => void socket.destroy() };
      guarded("http", answerClientError, belonging)(error, socket);
    },
    frameworkErrors: (error, _, reply) => void sendError(reply, toCarillonError(error)),
  });
  // A reset may come at any moment. What happens to the listener itself later must not end the process.
  expectResets(server.server);
  server.server.maxConnections = options.maxConnections;
  server.addHook("onListen", async () => {
    server.server.on("error", (error) => reportCaught("listener", error));
  });
  server.setValidatorCompiler(compileCheck);
  answerFailures(server, options.logger);
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
    guardRoutes(routes, context);
    sessionRoutes(routes, context);
    gatewayRoutes(routes, context);
    conversationRoutes(routes, context);
    groupRoutes(routes, context);
    relationRoutes(routes, context);
    presenceRoutes(routes, context);
    userRoutes(routes, context);
    adminRoutes(routes, context);
    adminGroupRoutes(routes, context);
    moderationRoutes(routes, context);
    messageRoutes(routes, context);
    keyRoutes(routes, context);
    operationRoutes(routes, context);
    broadcastRoutes(routes, context);
    healthRoutes(routes, context);
  });
  return server;
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

/** For load balancers, orchestrators and Prometheus. */
import { withDeadline } from "@carillon/base";
import { createMetrics, Histogram, mayReadMetrics } from "@carillon/base/node";
import { CarillonError } from "@carillon/protocol";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";

const health = Type.Object({ status: Type.String() });
const readiness = Type.Object({
  status: Type.String(),
  checks: Type.Record(Type.String(), Type.Boolean()),
});

/** Whoever asks for readiness does not wait long. */
const CHECK_MS = 2_000;

export interface HealthContext {
  nodeId: string;
  /** What who reads the metrics has to show; undefined: nothing. */
  metricsToken: string | undefined;
  /**
   * What an api uses, by name; each resolves or rejects. It is ready while NATS is there: the route of a client needs no
   * store, and a proxy that takes all apis out because MySQL is away would take that from everybody, too.
   */
  checks: { nats(): Promise<void> } & Record<string, () => Promise<void>>;
}

export function healthRoutes(server: FastifyInstance, { nodeId, metricsToken, checks }: HealthContext): void {
  const registry = createMetrics("api", nodeId);
  const seconds = new Histogram({
    name: "carillon_http_request_seconds",
    help: "Time from request to answer",
    labelNames: ["method", "route", "status"],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers: [registry],
  });
  server.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "none";
    seconds.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1_000);
  });

  server.get("/healthz", { schema: { tags: ["health"], response: { 200: health } } }, async () => ({ status: "ok" }));

  server.get(
    "/readyz",
    { schema: { tags: ["health"], response: { 200: readiness, 503: readiness } } },
    async (_, reply) => {
      const names = Object.keys(checks);
      const results = await Promise.allSettled(names.map((name) => withDeadline(checks[name]!(), CHECK_MS, name)));
      const passed = results.map(({ status }) => status === "fulfilled");
      const isReady = passed[names.indexOf("nats")]!;
      return reply.code(isReady ? 200 : 503).send({
        status: isReady ? "ready" : "not ready",
        checks: Object.fromEntries(names.map((name, i) => [name, passed[i]!])),
      });
    },
  );

  server.get("/metrics", { schema: { hide: true } }, async ({ headers }, reply) => {
    if (!mayReadMetrics(headers.authorization, metricsToken)) throw new CarillonError("NOT_AUTHENTICATED");
    return reply.type(registry.contentType).send(await registry.metrics());
  });
}

/** For load balancers, orchestrators and Prometheus. */
import { withDeadline } from "@carillon/base";
import { createMetrics, Histogram, mayReadMetrics } from "@carillon/base/node";
import { CarillonError } from "@carillon/protocol";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import type { ApiParts } from "../parts";

const health = Type.Object({ status: Type.String() });
const readiness = Type.Object({
  status: Type.String(),
  checks: Type.Record(Type.String(), Type.Boolean()),
});

/** Most time for one part, ms: a load balancer does not wait long for readiness. */
const CHECK_MS = 2_000;

export function healthRoutes(server: FastifyInstance, api: ApiParts): void {
  const registry = createMetrics("api", api.config.nodeId);
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
      const [nats, mysql, redis] = await Promise.all([
        answers("nats", api.bus.connection.flush()),
        answers("mysql", api.mysql.ping()),
        answers("redis", api.redis.info()),
      ]);
      // A client's route needs no store: a proxy that took all apis out while MySQL is away would take the route from everybody.
      const status = nats ? "ready" : "not ready";
      return reply.code(nats ? 200 : 503).send({ status, checks: { nats, mysql, redis } });
    },
  );

  server.get("/metrics", { schema: { hide: true } }, async ({ headers }, reply) => {
    if (!mayReadMetrics(headers.authorization, api.config.metrics.token)) throw new CarillonError("NOT_AUTHENTICATED");
    return reply.type(registry.contentType).send(await registry.metrics());
  });
}

/** Whether a part that the api uses answers in time. */
function answers(name: string, asking: Promise<unknown>): Promise<boolean> {
  return withDeadline(asking, CHECK_MS, name).then(
    () => true,
    () => false,
  );
}

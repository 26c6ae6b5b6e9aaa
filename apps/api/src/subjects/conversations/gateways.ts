/** The gateways to which a client connects. */
import { gatewayAddressOf } from "@carillon/bus";
import { busy } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { callerOf } from "../../http/access";
import type { ApiParts } from "../../parts";

const CHOICES = 2;

export function gatewayRoutes(server: FastifyInstance, { coordination }: ApiParts): void {
  server.withTypeProvider<TypeBoxTypeProvider>().get(
    "/v1/route",
    {
      config: { access: "token", errors: [] },
      schema: { summary: "Read which gateways serve the caller", tags: ["gateways"], response: { 200: routeAnswer } },
    },
    async (request) => {
      // The gateway checks the session again, so that clients find it also while MySQL is away.
      const { userId } = callerOf(request);
      const nodes = coordination.ringOf("gateway").walk(userId, CHOICES);
      const gateways = nodes.flatMap((nodeId) => gatewayAddressOf(coordination, nodeId) ?? []);
      if (gateways.length === 0) {
        throw busy({ message: "no gateway is up" });
      }
      return { gateways };
    },
  );
}

/** The answer, as JSON Schema. */

const routeAnswer = Type.Object({
  gateways: Type.Array(
    Type.Object({
      gatewayId: Type.String(),
      ws: Type.Optional(Type.String({ description: "URL" })),
      tcp: Type.Optional(Type.String({ description: "host:port, or with TLS tls://host:port" })),
    }),
    { description: "The caller's own gateway first, then the one to try when it does not answer" },
  ),
});

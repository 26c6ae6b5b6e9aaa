/** The gateways to which a client connects. */
import type { Coordination } from "@carillon/coordination";
import { busy, type GatewayAddress } from "@carillon/protocol";
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
      const gateways = nodes.flatMap((nodeId) => addressOf(coordination, nodeId) ?? []);
      if (gateways.length === 0) {
        throw busy({ message: "no gateway is up" });
      }
      return { gateways };
    },
  );
}

function addressOf({ view }: Pick<Coordination, "view">, gatewayId: string): GatewayAddress | undefined {
  const { ws, tcp } = view.get("gateway", gatewayId)?.addresses ?? {};
  return ws === undefined || tcp === undefined ? undefined : { gatewayId, ws, tcp };
}

/** The answer, as JSON Schema. */

const routeAnswer = Type.Object({
  gateways: Type.Array(
    Type.Object({
      gatewayId: Type.String(),
      ws: Type.String({ description: "URL" }),
      tcp: Type.String({ description: "host:port" }),
    }),
    { description: "The caller's own gateway first, then the one to try when it does not answer" },
  ),
});

/** Where a client connects to. */
import { busy, type GatewayAddress } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { callerOf } from "../../http/access";

const CHOICES = 2;

/** The ring of gateways by the view of the moment. */
export interface GatewayRing {
  /** Distinct nodes for a user, the ring's choice first. */
  walk(userId: string, count: number): string[];
  address(nodeId: string): GatewayAddress | undefined;
}

export interface GatewayRoutesContext {
  ring: GatewayRing;
}

export function gatewayRoutes(server: FastifyInstance, { ring }: GatewayRoutesContext): void {
  server.withTypeProvider<TypeBoxTypeProvider>().get(
    "/v1/route",
    {
      config: { access: "token", errors: [] },
      schema: { summary: "Read which gateways serve the caller", tags: ["gateways"], response: { 200: routeAnswer } },
    },
    async (request) => {
      // The gateway checks the session again, so that clients find it also while MySQL is away.
      const { userId } = callerOf(request);
      const gateways = ring.walk(userId, CHOICES).flatMap((nodeId) => ring.address(nodeId) ?? []);
      if (gateways.length === 0) {
        throw busy({ message: "no gateway is up" });
      }
      return { gateways };
    },
  );
}

/** Where a client connects to, as JSON Schema. */

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

/** The gateways to which a client connects. */
import { ask, gatewayAddressOf, udpTicket } from "@carillon/bus";
import { busy } from "@carillon/protocol";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { callerOf } from "../../http/access";
import { deviceId, strict } from "../../http/shapes";
import type { ApiParts } from "../../parts";

const CHOICES = 2;

export function gatewayRoutes(server: FastifyInstance, api: ApiParts): void {
  const { coordination } = api;
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
  udpTicketRoute(server, api);
}

function udpTicketRoute(server: FastifyInstance, { bus, coordination }: ApiParts): void {
  server.withTypeProvider<TypeBoxTypeProvider>().post(
    "/v1/udp-tickets",
    {
      config: { access: "token", work: "write", errors: [] },
      schema: {
        summary: "Get a ticket for one connection over UDP",
        description:
          "The gateway keeps the ticket in memory. The caller's device must use it within `expiresIn`, for one connection; a device has one unused ticket.",
        tags: ["gateways"],
        body: ticketBody,
        response: { 201: ticketAnswer },
      },
    },
    async (request, reply) => {
      const { userId, deviceId } = callerOf(request);
      const { gatewayId = coordination.ringOf("gateway").walk(userId, 1)[0] ?? "" } = request.body;
      const { udp: address } = gatewayAddressOf(coordination, gatewayId) ?? {};
      if (address === undefined) throw busy({ message: "this gateway is not up, or does not listen over UDP" });
      const { ticketId, key, expiresIn } = await ask(bus, udpTicket.to(gatewayId), { userId, deviceId });
      return reply.code(201).send({ gatewayId, address, ticketId: hex(ticketId), key: hex(key), expiresIn });
    },
  );
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** The bodies and the answers, as JSON Schema. */

const UDP_ADDRESS = Type.String({ description: "host:port" });

const routeAnswer = Type.Object({
  gateways: Type.Array(
    Type.Object({
      gatewayId: Type.String(),
      ws: Type.Optional(Type.String({ description: "URL" })),
      tcp: Type.Optional(Type.String({ description: "host:port, or with TLS tls://host:port" })),
      udp: Type.Optional(UDP_ADDRESS),
    }),
    { description: "The caller's own gateway first, then the one to try when it does not answer" },
  ),
});

const ticketBody = strict({
  // Names of nodes have the form of ids of devices.
  gatewayId: Type.Optional(deviceId),
});

const ticketAnswer = Type.Object({
  gatewayId: Type.String(),
  address: UDP_ADDRESS,
  ticketId: Type.String({ description: "8 bytes in hex" }),
  key: Type.String({ description: "32 bytes in hex" }),
  expiresIn: Type.Integer({ description: "Time in which the ticket must be used, s" }),
});

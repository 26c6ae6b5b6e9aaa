/** Where a client connects to, as JSON Schema. */
import { Type } from "typebox";

export const routeAnswer = Type.Object({
  gateways: Type.Array(
    Type.Object({
      gatewayId: Type.String(),
      ws: Type.String({ description: "URL" }),
      tcp: Type.String({ description: "host:port" }),
    }),
    { description: "The ring's choice first, then the next distinct node" },
  ),
});

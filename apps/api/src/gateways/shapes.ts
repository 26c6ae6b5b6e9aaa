/** Where a client connects to, as JSON Schema. */
import { Type } from "typebox";

export const routeAnswer = Type.Object({
  gateways: Type.Array(
    Type.Object({
      gatewayId: Type.String(),
      ws: Type.String({ description: "URL" }),
      tcp: Type.String({ description: "host:port" }),
    }),
    { description: "The caller's own gateway first, then the one to try when it does not answer" },
  ),
});

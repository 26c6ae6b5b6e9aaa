import type { Coordination } from "@carillon/coordination";
import type { GatewayAddress } from "@carillon/protocol";
import type { GatewayRing } from "./placement";

/** The ring of gateways by the view of the moment. */
export function ringView(coordination: Coordination): GatewayRing {
  return {
    walk: (userId, count) => coordination.ringOf("gateway").walk(userId, count),
    address: (nodeId): GatewayAddress | undefined => {
      const { ws, tcp } = coordination.view.get("gateway", nodeId)?.addresses ?? {};
      return ws === undefined || tcp === undefined ? undefined : { gatewayId: nodeId, ws, tcp };
    },
  };
}

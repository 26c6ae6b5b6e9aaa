import type { Coordination } from "@carillon/coordination";
import type { GatewayAddress } from "@carillon/protocol";

/** The addresses of a gateway by transport, as clients are told. @returns undefined when the gateway is not in the view */
export function gatewayAddressOf({ view }: Pick<Coordination, "view">, gatewayId: string): GatewayAddress | undefined {
  const { addresses = {} } = view.get("gateway", gatewayId) ?? {};
  return Object.keys(addresses).length === 0 ? undefined : { gatewayId, ...addresses };
}

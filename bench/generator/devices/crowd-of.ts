/** Returns the devices of a cluster's users, spread over addresses of loopback, since one address has 28,000 ports. */
import type { BenchCluster } from "../../cluster/bench-cluster";
import type { DeviceSpec, Transport } from "./device";

const ADDRESSES = 8;

/** Returns the address of this machine from which the connection with this number is made. */
export const addressOf = (index: number) => `127.0.0.${2 + (index % ADDRESSES)}`;

export function devicesOf(cluster: BenchCluster, userIds: string[], transport: Transport): DeviceSpec[] {
  return userIds.map((userId, index) => {
    const { tcp, ws, token } = cluster.access(userId);
    // Over UDP the ticket names the address.
    const url = new URL(transport === "ws" ? ws : `tcp://${tcp}`);
    const { api } = cluster.running.info();
    const { hostname: host, port } = url;
    return { transport, host, port: Number(port), localAddress: addressOf(index), userId, token, api };
  });
}

/** The devices of a cluster's users, spread over addresses of loopback: one of them has 28,000 ports. */
import type { BenchCluster } from "../../cluster/bench-cluster";
import type { DeviceSpec } from "./device";
import type { Transport } from "./link";

const ADDRESSES = 8;

/** Address of this machine from which the connection of this number is made. */
export const addressOf = (index: number) => `127.0.0.${2 + (index % ADDRESSES)}`;

export function devicesOf(cluster: BenchCluster, userIds: string[], transport: Transport): DeviceSpec[] {
  return userIds.map((userId, index) => {
    const { tcp, ws, token } = cluster.access(userId);
    const url = new URL(transport === "tcp" ? `tcp://${tcp}` : ws);
    const { hostname: host, port } = url;
    return { transport, host, port: Number(port), localAddress: addressOf(index), userId, token };
  });
}

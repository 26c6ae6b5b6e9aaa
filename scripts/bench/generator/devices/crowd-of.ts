/** The devices of a cluster's users, spread over addresses of loopback: one of them has 28,000 ports. */
import type { BenchCluster } from "../../cluster/bench-cluster";
import type { DeviceSpec } from "./device";
import type { Transport } from "./link";

const ADDRESSES = 8;

export function devicesOf(cluster: BenchCluster, userIds: string[], transport: Transport): DeviceSpec[] {
  return userIds.map((userId, index) => {
    const { tcp, ws, token } = cluster.access(userId);
    const url = new URL(transport === "tcp" ? `tcp://${tcp}` : ws);
    const localAddress = `127.0.0.${2 + (index % ADDRESSES)}`;
    return { transport, host: url.hostname, port: Number(url.port), localAddress, userId, token };
  });
}

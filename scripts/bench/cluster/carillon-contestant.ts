/** Carillon as one of those that are measured: a cluster with the load generator's users in it. */
import path from "node:path";
import { productVersion } from "@carillon/base/node";
import { readGc } from "../account/gc";
import { serverProcesses } from "../account/usage";
import type { Contestant, RunningContestant } from "../peers/contestant";
import { BenchCluster, type ClusterShape } from "./bench-cluster";
import { ServerCounter } from "./server-counts";

const PROTOCOL_FILE = path.join(__dirname, "..", "generator", "carillon", "protocol.ts");

export function carillon(shape: ClusterShape, name = "carillon"): Contestant {
  const { gateways, workers, partitions } = shape;
  return {
    name,
    tier: "T2",
    describe: () =>
      `Carillon ${productVersion()}: ${gateways} gateways, ${workers} workers, ${partitions} partitions, 1 archiver; queue and log fsynced before SENT, archive in MariaDB`,
    start: async (directory, onProgress) =>
      run(await BenchCluster.start(shape, directory, onProgress), shape, directory),
  };
}

async function run(cluster: BenchCluster, { partitions }: ClusterShape, directory: string): Promise<RunningContestant> {
  const info = cluster.running.info();
  const processes = () => serverProcesses(cluster.running.info());
  const counter = await ServerCounter.connect({
    nats: cluster.settings.nats,
    redisUrl: info.redis.url,
    mysql: cluster.mysql,
    partitions,
    gateways: info.gateways.map(({ nodeId }) => nodeId),
  });
  return {
    protocolFile: PROTOCOL_FILE,
    clients: async (count) => {
      const names = Array.from({ length: count }, (_, i) => `bench-${i}`);
      await cluster.register(names);
      return names.map((userId, i) => {
        const { tcp, token } = cluster.access(userId);
        const [host, port] = tcp.split(":") as [string, string];
        return { host, port: Number(port), userId, peerId: names[i ^ 1]!, secret: token };
      });
    },
    processes,
    archived: () => cluster.archived(),
    counts: async () => ({ ...(await counter.read()), gcMs: readGc(path.join(directory, "gc"), processes()) }),
    stop: async () => {
      await counter.close();
      await cluster.stop();
    },
  };
}

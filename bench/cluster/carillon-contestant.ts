/** Carillon as a contestant: a cluster with the load generator's users in it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { buildVersion } from "@carillon/base/node";
import { tcpPlace } from "@carillon/testkit";
import { readGc } from "../account/gc";
import { keepProfiles } from "../account/profile";
import { serverProcesses } from "../account/usage";
import type { Contestant, RunningContestant } from "../peers/contestant";
import { describeProfile } from "../report/profile";
import { newResultPath } from "../report/result";
import { BenchCluster, type ClusterShape, profileFolder, say } from "./bench-cluster";
import { ServerCounter } from "./server-counts";

const PROTOCOL_FILE = path.join(__dirname, "..", "generator", "carillon", "protocol.ts");

const SAFE = {
  T1: "queue and log in the page cache before SENT, fsynced once a second (nats.fsync is off)",
  T2: "queue and log fsynced before SENT",
};

export function carillon(shape: ClusterShape, name = "carillon"): Contestant {
  const { gateways, workers, partitions, tier = "T2", tls = false, udp = false } = shape;
  return {
    name,
    tier,
    front: "gateway",
    describe: () =>
      `Carillon ${buildVersion()}: ${gateways} gateways, ${workers} workers, ${partitions} partitions, 1 archiver; ${SAFE[tier]}, archive in MariaDB${tls ? "; clients connect by TLS" : ""}${udp ? "; clients connect by UDP" : ""}`,
    start: async (directory, onProgress) => asContestant(await BenchCluster.start(shape, directory, onProgress), udp),
  };
}

/** Starts a cluster, has it measured, and removes it. With a profile, it shows where the last measurement spent its CPU. */
export async function withCluster<T>(
  shape: ClusterShape,
  measure: (cluster: BenchCluster, server: RunningContestant) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(path.join(tmpdir(), "carillon-bench-"));
  const cluster = await BenchCluster.start(shape, directory, say);
  const server = await asContestant(cluster);
  let measured: { from: number; to: number } | undefined;
  server.onMeasured = (from, to) => {
    measured = { from, to };
  };
  try {
    const result = await measure(cluster, server);
    if (shape.profile === true && measured !== undefined) {
      const request = { ...measured, into: newResultPath("-profiles"), name: "carillon" };
      const profiles = await keepProfiles(profileFolder(directory), server.processes(), request);
      for (const [kind, profile] of Object.entries(profiles)) say(describeProfile(kind, profile).join("\n"));
    }
    return result;
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Starts a cluster of the bench behind the interface of all measured servers; `stop` ends it. */
async function asContestant(cluster: BenchCluster, udp = false): Promise<RunningContestant> {
  const info = cluster.running.info();
  const processes = () => serverProcesses(cluster.running.info());
  const counter = await ServerCounter.connect({
    nats: cluster.settings.nats,
    redisUrl: info.redis.url,
    mysql: cluster.mysql,
    partitions: cluster.partitions,
    gateways: info.gateways.map(({ nodeId }) => nodeId),
  });
  return {
    protocolFile: PROTOCOL_FILE,
    clients: async (count) => {
      const names = Array.from({ length: count }, (_, i) => `bench-${i}`);
      await cluster.register(names);
      const ca = info.caFile === undefined ? {} : { ca: readFileSync(info.caFile, "utf8") };
      return names.map((userId, i) => {
        const { tcp, token } = cluster.access(userId);
        const transport = udp ? { transport: "udp" as const, api: info.api } : {};
        return { ...tcpPlace(tcp), ...ca, ...transport, userId, peerId: names[i ^ 1]!, secret: token };
      });
    },
    processes,
    archived: () => cluster.archived(),
    counts: async () => ({
      ...(await counter.read()),
      gcMs: readGc(path.join(cluster.running.directory, "gc"), processes()),
    }),
    stop: async () => {
      await counter.close();
      await cluster.stop();
    },
  };
}

/** Whether the clocks agree, the key of the tokens is the cluster's own, and strangers read no metrics. */

import type { Cluster } from "../cluster/open-cluster";
import { areMetricsOpen, usesDevelopmentSecret } from "../config";
import { type Check, checksOf, judge } from "./check";

/** Differences in ms that people should look at, and that are wrong: tokens expire too early or too late. */
const NOTICEABLE_MS = 2_000;
const WRONG_MS = 60_000;

/** The clock of the cluster is that of NATS: all others are compared with it. */
export async function checkClocks(cluster: Cluster): Promise<Check[]> {
  const clocks: [name: string, read: () => Promise<number>][] = [
    ["this machine", async () => Date.now()],
    ["redis", async () => (await cluster.redis()).time()],
    ["mysql", async () => (await cluster.mysql()).conversations.databaseTime()],
  ];
  const checks = await Promise.all(
    clocks.map(([name, read]) =>
      checksOf(`clock of ${name}`, "it does not answer", async () => [await compare(cluster, name, read)]),
    ),
  );
  return checks.flat();
}

export async function checkSecret(data: string | undefined): Promise<Check[]> {
  const isKnown = usesDevelopmentSecret(data);
  return [
    judge("token key", !isKnown, isKnown ? "the development key, which everyone knows" : "your own", {
      result: "warning",
      advice: "set auth.secret, and mode: production, which refuses to start without",
    }),
  ];
}

export async function checkMetricsAccess(data: string | undefined): Promise<Check[]> {
  const isOpen = areMetricsOpen(data);
  const text = isOpen ? "whoever reaches the ports of gateways and apis reads /metrics" : "not for everybody";
  return [
    judge("metrics", !isOpen, text, {
      result: "warning",
      advice: "set metrics.token, or keep /metrics off at a proxy",
    }),
  ];
}

async function compare({ bus }: Cluster, name: string, read: () => Promise<number>): Promise<Check> {
  // The first call may open a connection; only the second is measured.
  await read();
  const before = bus.clock.now();
  const time = await read();
  const off = Math.round(time - (before + bus.clock.now()) / 2);
  return judge(`clock of ${name}`, Math.abs(off) < NOTICEABLE_MS, `${off} ms from that of NATS`, {
    result: Math.abs(off) < WRONG_MS ? "warning" : "wrong",
    advice: "run a time service on all machines",
  });
}

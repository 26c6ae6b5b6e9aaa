/**
 * Checks that the clocks agree, that the key of the tokens is the cluster's own, that each role has an account, that strangers
 * cannot read metrics, and that no link between machines is plain.
 */
import type { Cluster } from "../cluster/open-cluster";
import { areMetricsOpen, namesOfPlainLinks, rolesWithoutAccount, usesDevelopmentSecret } from "../config";
import { type Check, checksOf, judge } from "./check";

/** Differences that are a warning, and that are wrong, ms: with them tokens expire too early or too late. */
const NOTICEABLE_MS = 2_000;
const WRONG_MS = 60_000;

/** Compares all clocks with that of NATS, which is the clock of the cluster. */
export async function checkClocks(cluster: Cluster): Promise<Check[]> {
  const clocks: [name: string, read: () => Promise<number>][] = [
    ["this machine", async () => Date.now()],
    ["redis", async () => (await cluster.redis()).time()],
    ["mysql", async () => (await cluster.mysql()).conversations.databaseTime()],
  ];
  const checks = await Promise.all(
    clocks.map(([name, read]) =>
      checksOf(`clock of ${name}`, "its server does not answer", async () => [await compare(cluster, name, read)]),
    ),
  );
  return checks.flat();
}

export async function checkSecret(data: string | undefined): Promise<Check[]> {
  const isKnown = usesDevelopmentSecret(data);
  return [
    judge("token key", !isKnown, isKnown ? "the development key, which is public" : "your own", {
      result: "warning",
      advice: "set auth.secret, and mode: production, which refuses to start without a secret of your own",
    }),
  ];
}

export async function checkAccounts(data: string | undefined): Promise<Check[]> {
  const missing = rolesWithoutAccount(data);
  const text = `${missing.join(", ")}: no account of their own at NATS, Redis and MySQL`;
  return [
    judge("accounts", missing.length === 0, missing.length === 0 ? "one for each role" : text, {
      result: "warning",
      advice: "a process that is broken into can do what its account can: see carillon init --print-grants",
    }),
  ];
}

export async function checkMetricsAccess(data: string | undefined): Promise<Check[]> {
  const isOpen = areMetricsOpen(data);
  const text = isOpen ? "everybody who reaches the ports of gateways and apis can read /metrics" : "not public";
  return [
    judge("metrics", !isOpen, text, {
      result: "warning",
      advice: "set metrics.token, or block /metrics at a proxy",
    }),
  ];
}

export async function checkEncryption(data: string | undefined): Promise<Check[]> {
  const plain = namesOfPlainLinks(data);
  return [
    judge("encryption", plain.length === 0, plain.length === 0 ? "no plain link leaves a machine" : plain.join(", "), {
      result: "warning",
      advice:
        "these links are not encrypted: set tls in gateway.listeners, api, nats, redis and mysql, or keep them in a network of your own",
    }),
  ];
}

async function compare({ bus }: Cluster, name: string, read: () => Promise<number>): Promise<Check> {
  // The first call may open a connection, so only the second call counts.
  await read();
  const before = bus.clock.now();
  const time = await read();
  const off = Math.round(time - (before + bus.clock.now()) / 2);
  return judge(`clock of ${name}`, Math.abs(off) < NOTICEABLE_MS, `${off} ms from that of NATS`, {
    result: Math.abs(off) < WRONG_MS ? "warning" : "wrong",
    advice: "run a time service on all machines",
  });
}

/**
 * P7 and P8: what connections cost that are open and say nothing but their heartbeat. One gateway, over TCP and then over
 * WebSocket, each with a new cluster: memory that a process has given back is not seen from outside.
 */
import { type Account, describeAccount, startAccount } from "../account/account";
import { checkOpenFiles } from "../account/open-files";
import { residentOf } from "../account/usage";
import { type BenchCluster, type ClusterShape, say } from "../cluster/bench-cluster";
import { withCluster } from "../cluster/carillon-contestant";
import { devicesOf } from "../generator/devices/crowd-of";
import { DeviceCrowd } from "../generator/devices/device-crowd";
import type { Transport } from "../generator/devices/link";
import type { RunningContestant } from "../peers/contestant";
import { type Outcome, printResult } from "../report/result";
import { type Judged, judge } from "../report/targets";

/** These warm the gateway up, so that what it needs for itself is not shared out among connections. */
const FIRST = 500;
const SETTLE_MS = 10_000;
/** With fewer connections, what the gateway needs for itself hides what they need: P7 is not answered. */
const ENOUGH_FOR_P7 = 5_000;
const ENOUGH_FOR_P8 = 18_000;

export interface IdleOptions extends ClusterShape {
  /** Connections. */
  clients: number;
  /** For which CPU is measured; two heartbeats are a minute. */
  seconds: number;
  json: boolean;
}

interface IdleRun {
  transport: Transport;
  /** Bytes of resident memory of the gateway per connection. */
  bytes: number;
  /** How many the first connections were. */
  warm: number;
  /** MiB, with the first connections and with all of them. */
  resident: [first: number, all: number];
  connectedPerSecond: number;
  /** Part of a core, 0 to 1. */
  gatewayCpu: number;
  account: Account;
  /** All were connected at the end. */
  ok: boolean;
}

export async function runIdle(options: IdleOptions): Promise<Outcome> {
  checkOpenFiles(options.clients);
  const runs: IdleRun[] = [];
  for (const transport of ["tcp", "ws"] as const) runs.push(await measureIdle(transport, options));
  const ok = runs.every((run) => run.ok);
  const targets = runs.flatMap((run) => judgeIdle(run, options.clients));
  const result = { scenario: "idle", options, runs, targets, ok };
  return printResult(
    result,
    {
      lines: runs.flatMap(describeIdle),
      accounts: runs.map(({ transport, account }) => ({ name: nameOf(transport), per: "connection", account })),
    },
    options.json,
  );
}

function measureIdle(transport: Transport, options: IdleOptions): Promise<IdleRun> {
  return withCluster({ ...options, gateways: 1 }, async (cluster, server) => {
    const crowd = new DeviceCrowd();
    try {
      return await measureCrowd(transport, options, cluster, server, crowd);
    } finally {
      crowd.close();
    }
  });
}

async function measureCrowd(
  transport: Transport,
  { clients, seconds }: IdleOptions,
  cluster: BenchCluster,
  server: RunningContestant,
  crowd: DeviceCrowd,
): Promise<IdleRun> {
  const names = Array.from({ length: clients }, (_, i) => `idle-${i}`);
  await cluster.register(names);
  const specs = devicesOf(cluster, names, transport);
  const gateway = cluster.running.info().gateways[0]!.pid!;
  const warm = Math.min(FIRST, Math.floor(clients / 10));
  const tell = ({ connected }: { connected: number }) => say(`${transport}: ${connected} of ${clients} connected`);
  await crowd.open(specs.slice(0, warm), tell);
  await pause(SETTLE_MS);
  const first = residentOf(gateway);
  const startedAt = performance.now();
  await crowd.open(specs.slice(warm), tell);
  const connectSeconds = (performance.now() - startedAt) / 1_000;
  await pause(SETTLE_MS);
  say(`${transport}: measuring ${clients} idle connections for ${seconds} s`);
  const finish = await startAccount(server, crowd.pids);
  await pause(seconds * 1_000);
  const account = await finish(async () => clients);
  const all = residentOf(gateway);
  const { connected, errors, retries } = await crowd.progress();
  if (errors.length + retries > 0) say(`${retries} retries; ${errors.slice(0, 3).join("; ")}`);
  return {
    transport,
    bytes: ((all - first) * 1024 * 1024) / (clients - warm),
    warm,
    resident: [first, all],
    connectedPerSecond: (clients - warm) / connectSeconds,
    gatewayCpu: (account.kinds["gateway"]!.cpu * clients) / 1e6 / account.seconds,
    account,
    ok: connected === clients && errors.length === 0,
  };
}

function judgeIdle({ transport, bytes, gatewayCpu }: IdleRun, clients: number): Judged[] {
  const memory = judge(transport === "tcp" ? "P7 TCP" : "P7 WebSocket", bytes / 1024);
  if (clients < ENOUGH_FOR_P7) return [];
  return clients < ENOUGH_FOR_P8 ? [memory] : [memory, judge("P8", gatewayCpu * 100)];
}

function describeIdle(run: IdleRun): string[] {
  const { transport, bytes, warm, resident, connectedPerSecond, gatewayCpu, account, ok } = run;
  return [
    `${account.messages} idle connections over ${nameOf(transport)}, one gateway, heartbeats included, ${account.seconds.toFixed(0)} s`,
    `  memory      ${(bytes / 1024).toFixed(1)} KB a connection: ${resident[0].toFixed(0)} MiB with ${warm}, ${resident[1].toFixed(0)} MiB with all`,
    `  connected   ${connectedPerSecond.toFixed(0)} per second`,
    `  gateway     ${(gatewayCpu * 100).toFixed(1)} % of a core`,
    ...describeAccount(account, "connection"),
    `  ${ok ? "verified: all were connected at the end" : "NOT VERIFIED: not all were connected at the end"}`,
  ];
}

const nameOf = (transport: Transport) => (transport === "tcp" ? "TCP" : "WebSocket");
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

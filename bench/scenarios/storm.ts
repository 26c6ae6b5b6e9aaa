/**
 * P9: thousands of devices are cut off at once, miss messages, and all come back at the same instant, each with its place in
 * the inbox. The scenario measures the time until each device is connected and has every event, in order and once.
 */
import { sleep } from "@carillon/base";
import { build as buildHistogram } from "hdr-histogram-js";
import { type Account, describeAccount, startAccount } from "../account/account";
import { checkOpenFiles } from "../account/open-files";
import { type BenchCluster, type ClusterShape, say } from "../cluster/bench-cluster";
import { withCluster } from "../cluster/carillon-contestant";
import type { LoadClient } from "../generator/carillon/load-client";
import { devicesOf } from "../generator/devices/crowd-of";
import { DeviceCrowd } from "../generator/devices/device-crowd";
import type { RunningContestant } from "../peers/contestant";
import { describeTimes, type Outcome, percentileCurve, percentiles, printResult } from "../report/result";
import { judge } from "../report/targets";

const SENDERS = 100;
const UNDER_WAY = 10;
const CONTENT_BYTES = 100;
/** The size of P9; a smaller storm does not answer it. */
const WHOLE = { clients: 10_000, missed: 20 };
const PATIENCE_MS = 120_000;
/** Time until the gateways have seen that the devices are gone. */
const GONE_MS = 2_000;

export interface StormOptions extends ClusterShape {
  clients: number;
  /** Number of messages that each device has missed. */
  missed: number;
  /** Whether each device asks for everything by SYNC as well. */
  syncs: boolean;
  json: boolean;
}

export function runStorm(options: StormOptions): Promise<Outcome> {
  checkOpenFiles(Math.ceil(options.clients / Math.min(2, options.gateways)));
  return withCluster(options, async (cluster, server) => {
    const crowd = new DeviceCrowd();
    try {
      return await measureStorm(options, cluster, server, crowd);
    } finally {
      crowd.close();
    }
  });
}

async function measureStorm(
  options: StormOptions,
  cluster: BenchCluster,
  server: RunningContestant,
  crowd: DeviceCrowd,
): Promise<Outcome> {
  const { clients, missed } = options;
  const names = Array.from({ length: clients }, (_, i) => `storm-${i}`);
  await cluster.register(names);
  const devices = devicesOf(cluster, names, "tcp").map((device) => ({ ...device, syncs: options.syncs }));
  await crowd.open(devices, ({ connected }) => say(`${connected} of ${clients} connected`));
  await crowd.cut();
  await sleep(GONE_MS);
  await sendMissed(cluster, names, missed);
  const finish = await startAccount(server, crowd.pids);
  say(`${clients} devices come back at once, each has missed ${missed} messages`);
  const took = await crowd.comeBack(missed, PATIENCE_MS, ({ connected, complete, events }) =>
    say(`${connected} connected, ${complete} complete, ${events} messages`),
  );
  const account = await finish(async () => clients);
  await sleep(GONE_MS);
  const { events, retries, refused, errors } = await crowd.progress();
  // An event behind the last one would be a double.
  const ok = took.length === clients && events === clients * missed && errors.length === 0;
  return report(options, { took, account, events, retries, refused, errors, ok });
}

/** A hundred users write to all users in turn, and their messages are archived. */
async function sendMissed(cluster: BenchCluster, names: string[], missed: number): Promise<void> {
  const senders = Array.from({ length: SENDERS }, (_, i) => `sender-${i}`);
  await cluster.register(senders);
  const before = await cluster.archived();
  const total = names.length * missed;
  let accepted = 0;
  const next = senders.map(() => 0);
  let clients: LoadClient[] = [];
  const send = (sender: number) => {
    // Sender s writes to the users s, s + 100, ..., then to all of these again.
    const own = Math.ceil((names.length - sender) / SENDERS);
    const turn = next[sender]!;
    next[sender] = turn + 1;
    if (turn >= own * missed) return;
    const content = `${turn}`.padEnd(CONTENT_BYTES, "x");
    clients[sender]!.send(content, `u:${names[sender + (turn % own) * SENDERS]}`);
  };
  const onSent = (sender: number) => {
    accepted++;
    send(sender);
  };
  const ignore = () => {};
  clients = await cluster.connect(
    senders,
    () => "",
    (sender) => ({ onEvent: ignore, onSent: () => onSent(sender), onBusy: ignore, onError: ignore }),
  );
  for (let sender = 0; sender < SENDERS; sender++) for (let i = 0; i < UNDER_WAY; i++) send(sender);
  const deadline = Date.now() + Math.max(PATIENCE_MS, total);
  while (accepted < total || (await cluster.archived()) < before + total) {
    if (Date.now() > deadline) throw new Error(`only ${accepted} of ${total} messages were accepted and archived`);
    say(`${accepted} of ${total} messages are written to devices that are away`);
    // On a machine that is busy with other work an owner may change, and requests that it had not answered are lost.
    for (const client of clients) client.repeat();
    await sleep(1_000);
  }
  for (const client of clients) client.close();
}

interface Storm {
  took: number[];
  account: Account;
  events: number;
  retries: number;
  refused: Record<string, number>;
  errors: string[];
  ok: boolean;
}

function report(options: StormOptions, { took, account, events, retries, refused, errors, ok }: Storm): Outcome {
  const times = buildHistogram({ numberOfSignificantValueDigits: 3 });
  for (const ms of took) times.recordValue(Math.max(1, Math.round(ms * 1_000)));
  const seconds = took.reduce((most, ms) => Math.max(most, ms), 0) / 1_000;
  const isWhole = options.clients >= WHOLE.clients && options.missed >= WHOLE.missed;
  const targets = isWhole && !options.syncs && took.length === options.clients ? [judge("P9", seconds)] : [];
  const result = {
    scenario: options.syncs ? "sync-storm" : "storm",
    options,
    seconds,
    complete: took.length,
    latencyMs: percentiles(times),
    retries,
    refused,
    account,
    targets,
    verified: { ok, errors: errors.slice(0, 5) },
    ok,
  };
  const lines = [
    `${options.clients} devices cut off at once, ${options.missed} messages missed by each, all come back at the same instant${options.syncs ? " and SYNC" : ""}`,
    `  complete    ${took.length} after ${seconds.toFixed(1)} s; one of them: ${describeTimes(percentiles(times))}`,
    `  retries     ${retries} times a device waited and came again`,
    ...Object.entries(refused).map(([why, times]) => `  refused     ${times} times: ${why}`),
    ...describeAccount(account, "device"),
    `  ${ok ? "verified" : `NOT VERIFIED: ${errors.slice(0, 3).join("; ")}`}: ${events} messages came, each once and in order`,
  ];
  return printResult(
    result,
    {
      lines,
      accounts: [{ name: "coming back", per: "device", account }],
      curves: [{ label: "back and complete", points: percentileCurve(times) }],
    },
    options.json,
  );
}

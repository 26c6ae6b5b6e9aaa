/**
 * P7 and P8: the cost of open connections that carry nothing but their heartbeat. One gateway has connections over TCP,
 * another one over WebSocket, a third one over UDP (which may need no more memory than TCP), each in a cluster of its own, because memory that a process has given back cannot be seen from
 * outside. The peers get the same number of connections and the same time.
 */
import { describeAccount } from "../../account/account";
import { checkOpenFiles } from "../../account/open-files";
import { type ClusterShape, say } from "../../cluster/bench-cluster";
import type { Contestant } from "../../peers/contestant";
import { type Outcome, printResult } from "../../report/result";
import { type Judged, judge } from "../../report/targets";
import { type IdleContestant, ownContestant, peerContestant } from "./contestants";
import { type IdleRun, measureIdle, SETTLE_SECONDS } from "./measure";
import { compareMemory, describeMemory } from "./memory";
import { Turns } from "./turns";

const FEWEST = 20;
/** With fewer connections, the gateway's own memory hides that of the connections, and the run does not answer P7. */
const ENOUGH_FOR_P7 = 5_000;
const ENOUGH_FOR_P8 = 18_000;

export interface IdleOptions extends ClusterShape {
  /** Number of connections of each server. */
  clients: number;
  /** Seconds for which CPU is measured; two heartbeats are a minute. */
  seconds: number;
  json: boolean;
}

/** Measures all servers by turns, and leaves out a peer that cannot be had or fails. @throws TypeError for too few clients */
export async function runIdle(peers: Contestant[], asked: IdleOptions): Promise<Outcome> {
  if (asked.clients < FEWEST) throw new TypeError(`idle needs at least ${FEWEST} --clients`);
  // Clients of peers come in pairs, and all servers get the same number.
  const options = { ...asked, clients: asked.clients & ~1, settleSeconds: SETTLE_SECONDS };
  checkOpenFiles(options.clients);
  const contestants = [
    ...(["tcp", "ws", "udp"] as const).map((transport) => ownContestant(transport, options)),
    ...peers.map(peerContestant),
  ];
  const { runs, leftOut } = await measureAll(contestants, options);
  const ok = runs.every((run) => run.ok);
  const targets = runs.flatMap((run) => judgeIdle(run, options.clients));
  const result = { scenario: "idle", options, runs, leftOut, targets, ok };
  return printResult(
    result,
    {
      lines: [
        `${options.clients} idle connections to each of ${contestants.length} servers that settle side by side, heartbeats as each has them`,
        "  memory is that of the processes which hold the connections",
        ...runs.flatMap(describeIdle),
        ...(peers.length === 0 ? [] : compareMemory(runs)),
        ...leftOut.map(({ name, why }) => `  ${name} was left out: ${why}`),
      ],
      accounts: runs.flatMap(({ name, account }) => (account ? [{ name, per: "connection", account }] : [])),
      memory: Object.fromEntries(runs.map(({ name, tier, bytes }) => [`${name} (${tier})`, bytes.settled / 1_024])),
    },
    options.json,
  );
}

async function measureAll(contestants: IdleContestant[], options: IdleOptions) {
  const turns = new Turns();
  // All servers have ended before a failure is thrown, so a failure leaves no server running.
  const ended = await Promise.allSettled(
    contestants.map((each) =>
      measureIdle(each, options, turns).catch((error: Error) => {
        say(`${each.name} is not measured: ${error.message}`);
        throw error;
      }),
    ),
  );
  const runs: IdleRun[] = [];
  const leftOut: { name: string; why: string }[] = [];
  for (const [index, each] of ended.entries()) {
    const { name, transport } = contestants[index]!;
    if (each.status === "fulfilled") {
      runs.push(each.value);
      continue;
    }
    if (transport !== undefined) throw each.reason;
    leftOut.push({ name, why: (each.reason as Error).message });
  }
  return { runs, leftOut };
}

/** Part of a core, 0 to 1. */
function gatewayCpu({ account }: IdleRun): number {
  return account === undefined ? 0 : (account.kinds["gateway"]!.cpu * account.messages) / 1e6 / account.seconds;
}

function judgeIdle(run: IdleRun, clients: number): Judged[] {
  if (run.account === undefined || clients < ENOUGH_FOR_P7) return [];
  const memory = judge(run.transport === "ws" ? "P7 WebSocket" : "P7 TCP", run.bytes.settled / 1_024);
  return clients < ENOUGH_FOR_P8 ? [memory] : [memory, judge("P8", gatewayCpu(run) * 100)];
}

function describeIdle(run: IdleRun): string[] {
  const { name, tier, description, memory, connectedPerSecond, account, ok, errors } = run;
  return [
    `${name} (${tier}): ${description}`,
    `  memory      ${describeMemory(memory, SETTLE_SECONDS)}`,
    `  connected   ${connectedPerSecond.toFixed(0)} per second`,
    ...(account === undefined
      ? []
      : [
          `  gateway     ${(gatewayCpu(run) * 100).toFixed(1)} % of a core, measured for ${account.seconds.toFixed(0)} s`,
          ...describeAccount(account, "connection"),
        ]),
    `  ${ok ? "verified: all were connected at the end" : "NOT VERIFIED: not all were connected at the end"}`,
    ...errors.slice(0, 3).map((error) => `    ${error}`),
  ];
}

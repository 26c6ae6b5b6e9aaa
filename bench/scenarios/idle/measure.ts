/** Measures one server: with its first connections, with all of them, and the memory for each connection. */
import { sleep } from "@carillon/base";
import { type Account, startAccount } from "../../account/account";
import { residentOf } from "../../account/usage";
import { say } from "../../cluster/bench-cluster";
import type { Transport } from "../../generator/devices/device";
import type { Tier } from "../../peers/contestant";
import type { IdleContestant, IdleServer } from "./contestants";
import { bytesPerConnection, type ConnectionBytes, firstOf, type MemoryReadings } from "./memory";
import type { Turns } from "./turns";

/**
 * Time between the last opened connection and the reading of memory, whatever is measured meanwhile. It matters, because Node
 * gives back the memory of connecting when its memory reducer runs: seconds after a collection when little is allocated, and
 * otherwise at its watchdog, 100 s after the last collection. One gateway with 18,000 connections over TCP kept 12.2 KB for
 * each up to the 70th second and 5.5 KB in the 80th: a reading in between is one or the other by chance.
 */
export const SETTLE_SECONDS = 120;
const SAMPLE_MS = 5_000;
/** Time until connecting no longer shows in CPU time. */
const QUIET_MS = 10_000;
/** These connections warm a server up, so that its own memory is not divided among connections. */
const MOST_FIRST = 500;

export interface IdleRun {
  name: string;
  tier: Tier;
  /** The transport of the contestant. */
  transport?: Transport;
  description: string;
  memory: MemoryReadings;
  bytes: ConnectionBytes;
  connectedPerSecond: number;
  /** CPU with all connections, heartbeats included; Carillon only. */
  account?: Account;
  /** Whether all connections were open at the end. */
  ok: boolean;
  errors: string[];
}

/** Starts a server, measures it and removes it. Starting, connecting and counting CPU need the turn, settling does not. */
export async function measureIdle(
  contestant: IdleContestant,
  { clients, seconds }: { clients: number; seconds: number },
  turns: Turns,
): Promise<IdleRun> {
  let endTurn = await turns.take();
  try {
    return await contestant.with(clients, async (idle) => {
      const few = firstOf(clients, MOST_FIRST);
      await idle.open(0, few);
      endTurn();
      const { settled: first } = await settle(contestant, idle, few);
      endTurn = await turns.take();
      const startedAt = performance.now();
      await idle.open(few, clients);
      const connectSeconds = (performance.now() - startedAt) / 1_000;
      const [{ settled: all, most }, account] = await Promise.all([
        settle(contestant, idle, clients),
        countCpu(contestant, idle, clients, seconds).finally(endTurn),
      ]);
      const errors = await idle.faults();
      const memory: MemoryReadings = { connections: [few, clients], first, all, most };
      return {
        name: contestant.name,
        tier: contestant.tier,
        ...(contestant.transport && { transport: contestant.transport }),
        description: contestant.description,
        memory,
        bytes: bytesPerConnection(memory),
        connectedPerSecond: (clients - few) / connectSeconds,
        ...(account && { account }),
        ok: errors.length === 0,
        errors,
      };
    });
  } finally {
    endTurn();
  }
}

/** @returns memory of the processes that hold the connections, MiB: after the settling time, and the maximum until then */
async function settle(
  { name, front }: IdleContestant,
  { server }: IdleServer,
  connections: number,
): Promise<{ settled: number; most: number }> {
  const resident = () =>
    server
      .processes()
      .get(front)!
      .reduce((sum, pid) => sum + residentOf(pid), 0);
  say(`${name}: ${connections} connected, settling for ${SETTLE_SECONDS} s`);
  const until = performance.now() + SETTLE_SECONDS * 1_000;
  let most = resident();
  while (performance.now() < until) {
    await sleep(Math.min(SAMPLE_MS, until - performance.now()));
    most = Math.max(most, resident());
  }
  return { settled: resident(), most };
}

/** @returns undefined for peers, whose heartbeats differ */
async function countCpu(
  { name, transport }: IdleContestant,
  { server, generatorPids }: IdleServer,
  clients: number,
  seconds: number,
): Promise<Account | undefined> {
  if (transport === undefined) return undefined;
  await sleep(QUIET_MS);
  say(`${name}: measuring the CPU of ${clients} idle connections for ${seconds} s`);
  const finish = await startAccount(server, generatorPids);
  await sleep(seconds * 1_000);
  return finish(async () => clients);
}

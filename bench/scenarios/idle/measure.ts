/** One server: its first connections, all of them, and what it needs for each. */
import { sleep } from "@carillon/base";
import { type Account, startAccount } from "../../account/account";
import { residentOf } from "../../account/usage";
import { say } from "../../cluster/bench-cluster";
import type { Transport } from "../../generator/devices/link";
import type { Tier } from "../../peers/contestant";
import type { IdleContestant, IdleServer } from "./contestants";
import { bytesPerConnection, type ConnectionBytes, firstOf, type MemoryReadings } from "./memory";
import type { Turns } from "./turns";

/**
 * Memory is read so long after the last connection was opened, whatever is measured meanwhile, since it matters: Node gives
 * back what connecting used when its memory reducer runs, which is seconds after a collection when little is allocated, and
 * otherwise at its watchdog, 100 s after the last collection. One gateway with 18,000 connections over TCP kept 12.2 KB
 * for each up to the 70th second and 5.5 KB in the 80th: a reading in between is one or the other by chance.
 */
export const SETTLE_SECONDS = 120;
const SAMPLE_MS = 5_000;
/** Until connecting is no longer seen in CPU time. */
const QUIET_MS = 10_000;
/** These warm a server up, so that what it needs for itself is not shared out among connections. */
const MOST_FIRST = 500;

export interface IdleRun {
  name: string;
  tier: Tier;
  /** As the contestant's. */
  transport?: Transport;
  description: string;
  memory: MemoryReadings;
  bytes: ConnectionBytes;
  connectedPerSecond: number;
  /** With all connections, heartbeats included; Carillon only. */
  account?: Account;
  /** All were connected at the end. */
  ok: boolean;
  errors: string[];
}

/** Starts a server, measures it and removes it; starting, connecting and counting CPU are turns, settling is none. */
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

/** @returns MiB of the processes that hold the connections: when they have settled, and the most until then */
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

/** @returns nothing for the servers of others: heartbeats are not the same for all */
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

/**
 * P11: the rate at which the archiver drains a log. The archiver is stopped, private messages continue, and then it starts
 * again. The time counts from the first record that it passes to the last one; its start is measured apart.
 */
import { sleep } from "@carillon/base";
import { type Account, describeAccount, startAccount } from "../account/account";
import { type BenchCluster, type ClusterShape, say } from "../cluster/bench-cluster";
import { withCluster } from "../cluster/carillon-contestant";
import { Generator } from "../generator/generator";
import type { RunningContestant } from "../peers/contestant";
import { type Outcome, printResult } from "../report/result";
import { judge } from "../report/targets";

const ARCHIVER = "archiver-1";
const POLL_MS = 20;
/** After this time without a change everything is archived. */
const STILL_MS = 2_000;
const PATIENCE_MS = 120_000;

export interface ArchiveOptions extends ClusterShape {
  clients: number;
  inFlight: number;
  /** Seconds for which messages continue without an archiver. */
  seconds: number;
  json: boolean;
}

interface Drain {
  messages: number;
  perSecond: number;
  /** From the order to start until the archiver has passed the first record. */
  startSeconds: number;
  account: Account;
}

export function runArchive(options: ArchiveOptions): Promise<Outcome> {
  return withCluster(options, async (cluster, server) => {
    const generator = Generator.start(1);
    try {
      const messages = await fill(options, cluster, server, generator);
      const drain = await drainLog(cluster, server, generator, messages);
      return report(options, drain, await cluster.archived());
    } finally {
      generator.close();
    }
  });
}

/** @returns number of messages that were accepted while no archiver ran */
async function fill(
  { clients, inFlight, seconds }: ArchiveOptions,
  cluster: BenchCluster,
  server: RunningContestant,
  generator: Generator,
): Promise<number> {
  await generator.open(server.protocolFile, await server.clients(clients & ~1));
  await cluster.running.stopNode(ARCHIVER);
  await generator.startClosed(inFlight);
  for (let second = 1; second <= seconds; second++) {
    await sleep(1_000);
    const { received, errors } = await generator.progress();
    say(`without an archiver ${second}/${seconds} s: ${received} messages`);
    if (errors.length > 0) throw new Error(`the run failed: ${errors.slice(0, 3).join("; ")}`);
  }
  await generator.stop();
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const { sent, accepted, received } = await generator.progress();
    if (accepted === sent && received === sent) return sent;
    if (Date.now() > deadline) throw new Error(`${sent} sent, but ${accepted} accepted and ${received} received`);
    await sleep(200);
  }
}

async function drainLog(
  cluster: BenchCluster,
  server: RunningContestant,
  generator: Generator,
  messages: number,
): Promise<Drain> {
  const finish = await startAccount(server, generator.pids);
  const orderedAt = performance.now();
  let positions = await archivePositions(cluster);
  const moves: { at: number; archived?: number }[] = [];
  const started = cluster.running.startNode(ARCHIVER);
  while (performance.now() - orderedAt < PATIENCE_MS) {
    await sleep(POLL_MS);
    const before = positions;
    positions = await archivePositions(cluster);
    const at = performance.now();
    // Counting costs MariaDB too much while the archiver works, so it is done only once.
    if (positions !== before) moves.push(moves.length === 0 ? { at, archived: await cluster.archived() } : { at });
    else if (at - (moves.at(-1)?.at ?? at) > STILL_MS) break;
  }
  await started;
  const [first, last] = [moves[0], moves.at(-1)];
  if (first === undefined || last === undefined) throw new Error("the archiver did not come back");
  return {
    messages,
    perSecond: ((messages - first.archived!) * 1_000) / (last.at - first.at),
    startSeconds: (first.at - orderedAt) / 1_000,
    account: onlyWhatDrains(await finish(async () => messages)),
  };
}

/** The other hops are idle, and their few records say nothing about batches. */
function onlyWhatDrains(account: Account): Account {
  const sized = Object.entries(account.batches).filter(([hop]) => hop === "SQL transaction");
  return { ...account, batches: Object.fromEntries(sized) };
}

/** Returns the archived position of each partition as a text, which is equal when nothing has changed. */
async function archivePositions({ mysql }: BenchCluster): Promise<string> {
  const [rows] = await mysql.query("SELECT position FROM archive_positions ORDER BY partition_number");
  return JSON.stringify(rows);
}

function report(
  options: ArchiveOptions,
  { messages, perSecond, startSeconds, account }: Drain,
  archived: number,
): Outcome {
  const ok = archived === messages;
  const targets = [judge("P11", perSecond)];
  const result = { scenario: "archive", options, messages, perSecond, startSeconds, account, targets, ok };
  const lines = [
    `the archiver was away for ${options.seconds} s, and drains ${messages} messages of ${options.partitions} partitions`,
    `  drained     ${perSecond.toFixed(0)} per second, ${startSeconds.toFixed(1)} s after the order to start it`,
    ...describeAccount(account),
    `  ${ok ? "verified" : "NOT VERIFIED"}: ${archived} of ${messages} messages are in MySQL`,
  ];
  return printResult(result, { lines, accounts: [{ name: "drain", per: "message", account }] }, options.json);
}

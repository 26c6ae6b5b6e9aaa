/**
 * P11: how fast the archiver drains a log that has filled up: it is stopped, private messages go on, and then it comes
 * back. The time counts from the first record that it passes to the last one; starting up is told apart.
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
/** After so long without a move all is done. */
const STILL_MS = 2_000;
const PATIENCE_MS = 120_000;

export interface ArchiveOptions extends ClusterShape {
  clients: number;
  inFlight: number;
  /** For which messages go on without an archiver. */
  seconds: number;
  json: boolean;
}

interface Drain {
  messages: number;
  perSecond: number;
  /** From the order to start until the first record was passed. */
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

/** @returns messages that were taken while nobody archived */
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
    // Counting costs MariaDB too much to be done while the archiver is at work, but for once.
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

/** The other hops rest, and their few records say nothing about batches. */
function onlyWhatDrains(account: Account): Account {
  const sized = Object.entries(account.batches).filter(([hop]) => hop === "SQL transaction");
  return { ...account, batches: Object.fromEntries(sized) };
}

/** How far each partition is archived. Equal as a text when nothing has moved. */
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

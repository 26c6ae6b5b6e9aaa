/** `npm run bench -- SCENARIO`: measures a whole local cluster under load and checks every promise meanwhile. */
import { commandLine, wholeNumber, wholeNumbers } from "@carillon/base/command-line";
import { usualPartitions } from "@carillon/local";
import { type Command, Option } from "commander";
import { describeJudged } from "../bench/report/targets";
import { type Asked, isScenario, runAll, runScenario } from "../bench/scenarios/run-scenario";

const SCENARIOS = `Scenarios:
  private             private messages, closed loop, over TCP; the bench verifies each message
  latency             private messages, open loop, at half of what the closed loop reaches just before
  quick               private, short; with --against FILE it tells whether a message costs more than before
  group               a group with fan-out on write whose members are all online, open loop
  large-group         a group that is too large for inboxes: some members look at it, the others receive notices
  idle                open and silent connections over TCP and over WebSocket: memory and CPU of one gateway; with --peers
                      also the memory of the other servers
  storm               devices lose their connections at once, miss messages, and come back at the same instant
  sync-storm          the same, and each device asks for everything by SYNC
  logins              private messages and HTTP lists at a steady pace, by turns alone and beside 64 log-ins at once
  sync                devices that were away log in until they have everything, one after the other
  archive             how fast the archiver drains the log after it was away
  scale               private, with 1, 2 and 4 gateways, workers and partitions
  cold                conversations without earlier messages: each client has 20 partners, or all others; from the start and
                      after a kill of the owner; beside one partner each
  receipts            private messages at a steady pace, by turns alone and beside a flood of READs
  all                 all scenarios except quick, one after the other

The bench keeps each result in .carillon/bench, as a document and as a page to look at.`;

const count = wholeNumber(1);
const command: Command = commandLine(
  "npm run bench --",
  "Measures a cluster under load, and verifies each message meanwhile.",
)
  .usage("SCENARIO [options]")
  .argument("<SCENARIO>", "one of the scenarios below, or all")
  .option(
    "--clients <N>",
    "connected users (default: private, quick, archive, scale, group 500, latency, receipts, logins 100, large-group, storm, sync-storm 10000, idle 18000, sync 40, cold 500)",
    count,
  )
  .option(
    "--in-flight <N>",
    "closed loops: messages of one client in flight at once (default 4; private with fewer than 500 clients more)",
    count,
  )
  .addOption(
    new Option("--closed-by <WHAT>", "private: a client sends its next message when the last one was received or sent")
      .choices(["received", "sent"])
      .default("received"),
  )
  .option(
    "--partners <LIST>",
    "cold: number of users that each client writes to, one run for each number (1, 20, all others)",
    wholeNumbers(1),
  )
  .option("--focused <N>", "large-group: members who look at it", count, 500)
  .option(
    "--missed <N>",
    "missed messages of each device (default: storms 20; sync 1000, which is all that an inbox keeps)",
    count,
  )
  .option(
    "--rate <N>",
    "messages per second (default: groups 20, receipts 500, logins 200, latency half of what can be delivered)",
    count,
  )
  .option("--reads <N>", "receipts: READs per second", count, 1_000)
  .option(
    "--seconds <N>",
    "measured time (default 15; quick 5, scale and cold 10, logins 30, idle 60); archive: how long the archiver is away (20)",
    count,
  )
  .option("--rounds <N>", "private, latency, quick, scale: rounds, each with a new cluster", count, 1)
  .option("--generators <N>", "the same scenarios: processes of the load generator", count, 1)
  .option("--peers", "private, latency, idle: measure other servers, too (the bench installs missing ones)")
  .option(
    "--peer-clients <LIST>",
    "with --peers: numbers of clients; each peer is measured with each of them, and the best counts (100,500,2000)",
    wholeNumbers(1),
  )
  .option("--t1", "private, latency: measure Carillon without fsync before SENT (nats.fsync off), too, in turns")
  .option("--tls", "private, latency: measure Carillon with TLS towards clients, too, in turns")
  .option("--udp", "private, latency: measure Carillon with clients over UDP, too, in turns")
  .option("--gateways <N>", "number of gateways; idle always has 1", count, 2)
  .option("--workers <N>", "number of workers", count, 2)
  .option("--partitions <N>", "number of partitions (default: as npm start, one for every two processors)", count)
  .option(
    "--against <FILE>",
    "quick: a stored result of this machine (.carillon/bench/*.json); exit code 1 when messages cost more",
  )
  .option("--tolerance <N>", "quick: percent by which CPU per message may grow", count, 15)
  .option(
    "--profile",
    "show which functions use the CPU of the Node processes (not sync, receipts); uses some CPU itself",
  )
  .option("--json", "print one JSON document instead of the table")
  .addHelpText("after", `\n${SCENARIOS}`);

async function main(): Promise<number> {
  command.parse();
  const name = command.args[0]!;
  if (name !== "all" && !isScenario(name)) command.error(`there is no scenario ${name}`);
  // Every other scenario measures a cluster whose clients connect without TLS.
  const { tls: withTls = false, udp: withUdp = false, ...given } = command.opts<Asked>();
  const asked: Asked = {
    ...{ peers: false, t1: false, profile: false, json: false },
    ...given,
    withTls,
    withUdp,
    partitions: given.partitions ?? usualPartitions(given.workers),
    partners: given.partners ?? [],
    peerClients: given.peerClients ?? [],
    tolerance: given.tolerance / 100,
  };
  if (name !== "all") return (await runScenario(name, asked)).ok ? 0 : 1;
  const { ok, targets } = await runAll(asked, (scenario, error) => say(`${scenario}: ${error.message}`));
  if (!asked.json) process.stdout.write(`all together\n${describeJudged(targets).join("\n")}\n`);
  return ok ? 0 : 1;
}

const say = (line: string) => process.stderr.write(`bench: ${line}\n`);

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    say(error.message);
    process.exit(error instanceof TypeError ? 2 : 1);
  },
);

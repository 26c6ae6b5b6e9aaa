/** `npm run bench -- SCENARIO`: measures a whole local cluster under load and checks every promise meanwhile. */
import { parseArgs } from "node:util";
import { usualPartitions } from "@carillon/local";
import { describeJudged } from "../bench/report/targets";
import { type Asked, isScenario, runAll, runScenario } from "../bench/scenarios/run-scenario";

const USAGE = `npm run bench -- SCENARIO [options]

Scenarios
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

Options
  --clients N         connected users (default: private, quick, archive, scale, group 500, latency, receipts, logins 100, large-group,
                      storm, sync-storm 10000, idle 18000, sync 40, cold 500)
  --in-flight N       closed loops: messages of one client in flight at once (default 4; private with fewer than 500 clients more)
  --closed-by WHAT    private: a client sends its next message when the last one is "received" (default) or "sent"
  --partners LIST     cold: number of users that each client writes to, one run for each number (1, 20, all others)
  --focused N         large-group: members who look at it (default 500)
  --missed N          missed messages of each device (default: storms 20; sync 1000, which is all that an inbox keeps)
  --rate N            messages per second (default: groups 20, receipts 500, logins 200, latency half of what can be delivered)
  --reads N           receipts: READs per second (default 1000)
  --seconds N         measured time (default 15; quick 5, scale and cold 10, logins 30, idle 60); archive: how long the archiver is away (20)
  --rounds N          private, latency, quick, scale: rounds, each with a new cluster (default 1)
  --generators N      the same scenarios: processes of the load generator (default 1)
  --peers             private, latency, idle: measure other servers, too (the bench installs missing ones)
  --peer-clients LIST with --peers: numbers of clients; each peer is measured with each of them, and the best counts (100,500,2000)
  --t1                private, latency: measure Carillon without fsync before SENT (nats.fsync off), too, in turns
  --gateways N        (default 2; idle always 1)
  --workers N         (default 2)
  --partitions N      (default: as npm start, one for every two processors)
  --against FILE      quick: a stored result of this machine (.carillon/bench/*.json); exit code 1 when messages cost more
  --tolerance N       quick: percent by which CPU per message may grow (default 15)
  --profile           show which functions use the CPU of the Node processes (not sync, receipts); uses some CPU itself
  --json              print one JSON document instead of the table
  --help

The bench keeps each result in .carillon/bench, as a document and as a page to look at.
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      clients: { type: "string" },
      "in-flight": { type: "string" },
      partners: { type: "string" },
      "closed-by": { type: "string", default: "received" },
      focused: { type: "string", default: "500" },
      missed: { type: "string" },
      rate: { type: "string" },
      reads: { type: "string", default: "1000" },
      seconds: { type: "string" },
      rounds: { type: "string", default: "1" },
      generators: { type: "string", default: "1" },
      peers: { type: "boolean", default: false },
      "peer-clients": { type: "string" },
      t1: { type: "boolean", default: false },
      gateways: { type: "string", default: "2" },
      workers: { type: "string", default: "2" },
      partitions: { type: "string" },
      against: { type: "string" },
      tolerance: { type: "string", default: "15" },
      profile: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const [name, ...more] = positionals;
  if (values.help || more.length > 0 || !(name === "all" || isScenario(name))) {
    (values.help ? process.stdout : process.stderr).write(USAGE);
    return values.help ? 0 : 2;
  }
  const workers = numberOf(values.workers, "workers");
  const asked: Asked = {
    gateways: numberOf(values.gateways, "gateways"),
    workers,
    partitions: optional(values.partitions, "partitions") ?? usualPartitions(workers),
    clients: optional(values.clients, "clients"),
    seconds: optional(values.seconds, "seconds"),
    missed: optional(values.missed, "missed"),
    rate: optional(values.rate, "rate"),
    inFlight: optional(values["in-flight"], "in-flight"),
    partners: values.partners?.split(",").map((count) => numberOf(count, "partners")) ?? [],
    closedBy: closedBy(values["closed-by"]),
    focused: numberOf(values.focused, "focused"),
    reads: numberOf(values.reads, "reads"),
    rounds: numberOf(values.rounds, "rounds"),
    generators: numberOf(values.generators, "generators"),
    against: values.against,
    tolerance: numberOf(values.tolerance, "tolerance") / 100,
    peers: values.peers,
    t1: values.t1,
    peerClients: values["peer-clients"]?.split(",").map((count) => numberOf(count, "peer-clients")) ?? [],
    profile: values.profile,
    json: values.json,
  };
  if (name !== "all") return (await runScenario(name, asked)).ok ? 0 : 1;
  const { ok, targets } = await runAll(asked, (scenario, error) => say(`${scenario}: ${error.message}`));
  if (!asked.json) process.stdout.write(`all together\n${describeJudged(targets).join("\n")}\n`);
  return ok ? 0 : 1;
}

const say = (line: string) => process.stderr.write(`bench: ${line}\n`);

function closedBy(text: string): "received" | "sent" {
  if (text === "received" || text === "sent") return text;
  throw new TypeError("--closed-by must be received or sent");
}

function optional(text: string | undefined, name: string): number | undefined {
  return text === undefined ? undefined : numberOf(text, name);
}

function numberOf(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new TypeError(`--${name} must be a number above 0`);
  return value;
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    say(error.message);
    process.exit(error instanceof TypeError ? 2 : 1);
  },
);

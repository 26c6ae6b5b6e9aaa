/** `npm run bench -- SCENARIO`: measures a whole local cluster under load and checks what it measured. */
import { parseArgs } from "node:util";
import type { ClusterShape } from "./bench/cluster/bench-cluster";
import { carillon } from "./bench/cluster/carillon-contestant";
import { newResultPath } from "./bench/report/result";
import { runGroup } from "./bench/scenarios/group";
import { runPrivate } from "./bench/scenarios/private";
import { runQuick } from "./bench/scenarios/quick";
import { runReceipts } from "./bench/scenarios/receipts";
import { runSync } from "./bench/scenarios/sync";

const USAGE = `npm run bench -- SCENARIO [options]

Scenarios
  private             private messages, closed loop, over TCP, each one verified
  latency             private messages, open loop, at half of what the closed loop reaches just before
  quick               private, short; with --against FILE: whether a message costs more than it did
  group               a group whose members are all online, fanned out on write, open loop
  large-group         a group that is too large for inboxes: some look at it, all others are told
  receipts            private messages at a steady pace, by turns alone and beside a flood of READs
  sync                devices that were away log in until they have everything, one after the other

Options
  --clients N         connected users (default: private, latency, quick 500, in pairs; group 500; large-group 10000; receipts 100; sync 40)
  --in-flight N       private: messages of one client under way at once (default 4)
  --focused N         large-group: members who look at it (default 500)
  --missed N          sync: messages that each device has missed (default 1000, which is all that an inbox keeps)
  --rate N            messages per second (default: groups 20, receipts 500, latency half of what can be delivered)
  --reads N           receipts: READs per second (default 1000)
  --seconds N         measured time (default 15; quick 5)
  --rounds N          private, latency: rounds, each with a new cluster (default 1)
  --generators N      private, latency: processes of the load generator (default 1)
  --gateways N        (default 2)
  --workers N         (default 2)
  --partitions N      (default: the number of workers)
  --against FILE      quick: a stored result of this machine (.carillon/bench/*.json); exit code 1 when it is worse
  --tolerance N       quick: by how many percent CPU per message may be higher (default 15)
  --profile           private, latency, quick: which functions use the CPU of the Node processes; costs some of it
  --json              print one JSON document instead of the table
  --help
`;

const CLIENTS = { private: 500, latency: 500, quick: 500, group: 500, "large-group": 10_000, receipts: 100, sync: 40 };
/** Messages per second. */
const RATES = { private: 0, latency: 0, quick: 0, group: 20, "large-group": 20, receipts: 500, sync: 0 };

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      clients: { type: "string" },
      "in-flight": { type: "string", default: "4" },
      focused: { type: "string", default: "500" },
      missed: { type: "string", default: "1000" },
      rate: { type: "string" },
      reads: { type: "string", default: "1000" },
      seconds: { type: "string" },
      rounds: { type: "string", default: "1" },
      generators: { type: "string", default: "1" },
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
  if (values.help || more.length > 0 || !isScenario(name)) {
    (values.help ? process.stdout : process.stderr).write(USAGE);
    return values.help ? 0 : 2;
  }
  const workers = numberOf(values.workers, "workers");
  const shape = {
    gateways: numberOf(values.gateways, "gateways"),
    workers,
    partitions: values.partitions === undefined ? workers : numberOf(values.partitions, "partitions"),
    seconds: numberOf(values.seconds ?? (name === "quick" ? "5" : "15"), "seconds"),
    profile: values.profile,
    json: values.json,
  };
  const clients = values.clients === undefined ? CLIENTS[name] : numberOf(values.clients, "clients");
  const rate = values.rate === undefined ? RATES[name] : numberOf(values.rate, "rate");
  const { against } = values;
  const verified = await run(name, { ...shape, clients, rate, against }, (option) => numberOf(values[option], option));
  return verified ? 0 : 1;
}

type Counts = "in-flight" | "focused" | "reads" | "missed" | "rounds" | "generators" | "tolerance";
interface Shape extends ClusterShape {
  clients: number;
  rate: number;
  seconds: number;
  against: string | undefined;
  profile: boolean;
  json: boolean;
}

/** @returns whether all that was measured is as promised */
async function run(name: keyof typeof CLIENTS, shape: Shape, count: (option: Counts) => number): Promise<boolean> {
  switch (name) {
    case "private":
    case "latency":
    case "quick": {
      const { clients, seconds, json, against } = shape;
      const rate = name !== "latency" ? undefined : shape.rate === 0 ? ("half" as const) : shape.rate;
      const load = { inFlight: count("in-flight"), generators: count("generators"), rounds: count("rounds"), rate };
      const profile = shape.profile ? newResultPath("-profiles") : undefined;
      const options = { clients, seconds, json, profile, ...load };
      if (name !== "quick") return runPrivate([carillon(shape)], options);
      return runQuick(carillon(shape), { ...options, against, tolerance: count("tolerance") / 100 });
    }
    case "receipts":
      return runReceipts({ ...shape, reads: count("reads") });
    case "sync":
      return runSync({ ...shape, missed: count("missed") });
    case "group":
    case "large-group": {
      const isLarge = name === "large-group";
      const focused = isLarge ? count("focused") : 0;
      return runGroup({ ...shape, isLarge, members: shape.clients, focused });
    }
  }
}

function isScenario(name: string | undefined): name is keyof typeof CLIENTS {
  return name !== undefined && Object.hasOwn(CLIENTS, name);
}

function numberOf(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new TypeError(`--${name} must be a number above 0`);
  return value;
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    process.stderr.write(`bench: ${error.message}\n`);
    process.exit(error instanceof TypeError ? 2 : 1);
  },
);

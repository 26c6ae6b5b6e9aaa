/** `npm run bench -- SCENARIO`: measures a whole local cluster under load and checks what it measured. */
import { parseArgs } from "node:util";
import { runGroup } from "./bench/group";
import { runPrivate } from "./bench/private";

const USAGE = `npm run bench -- SCENARIO [options]

Scenarios
  private             private messages, closed loop, over TCP, each one verified
  group               a group whose members are all online, fanned out on write, open loop
  large-group         a group that is too large for inboxes: some look at it, all others are told

Options
  --clients N         connected users (default: private 500, in pairs; group 500; large-group 10000)
  --in-flight N       private: messages of one client under way at once (default 4)
  --focused N         large-group: members who look at it (default 500)
  --rate N            groups: messages per second (default 20)
  --seconds N         measured time (default 15)
  --gateways N        (default 2)
  --workers N         (default 2)
  --partitions N      (default: the number of workers)
  --json              print one JSON document instead of the table
  --help
`;

const CLIENTS = { private: 500, group: 500, "large-group": 10_000 };

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      clients: { type: "string" },
      "in-flight": { type: "string", default: "4" },
      focused: { type: "string", default: "500" },
      rate: { type: "string", default: "20" },
      seconds: { type: "string", default: "15" },
      gateways: { type: "string", default: "2" },
      workers: { type: "string", default: "2" },
      partitions: { type: "string" },
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
    seconds: numberOf(values.seconds, "seconds"),
    json: values.json,
  };
  const clients = values.clients === undefined ? CLIENTS[name] : numberOf(values.clients, "clients");
  const isLarge = name === "large-group";
  const verified =
    name === "private"
      ? await runPrivate({ ...shape, clients, inFlight: numberOf(values["in-flight"], "in-flight") })
      : await runGroup({
          ...shape,
          isLarge,
          members: clients,
          focused: isLarge ? numberOf(values.focused, "focused") : 0,
          rate: numberOf(values.rate, "rate"),
        });
  return verified ? 0 : 1;
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

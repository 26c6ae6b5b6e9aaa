/** `npm run bench -- SCENARIO`: measures a whole local cluster under load and checks what it measured. */
import { parseArgs } from "node:util";
import { runPrivate } from "./bench/private";

const USAGE = `npm run bench -- private [options]

Scenarios
  private             private messages, closed loop, over TCP, each one verified

Options
  --clients N         connected users, in pairs (default 500)
  --in-flight N       messages of one client under way at once (default 4)
  --seconds N         measured time (default 15)
  --gateways N        (default 2)
  --workers N         (default 2)
  --partitions N      (default: the number of workers)
  --json              print one JSON document instead of the table
  --help
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      clients: { type: "string", default: "500" },
      "in-flight": { type: "string", default: "4" },
      seconds: { type: "string", default: "15" },
      gateways: { type: "string", default: "2" },
      workers: { type: "string", default: "2" },
      partitions: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help || positionals[0] !== "private" || positionals.length > 1) {
    (values.help ? process.stdout : process.stderr).write(USAGE);
    return values.help ? 0 : 2;
  }
  const number = (text: string, name: string) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1) throw new TypeError(`--${name} must be a number above 0`);
    return value;
  };
  const workers = number(values.workers, "workers");
  const verified = await runPrivate({
    clients: number(values.clients, "clients"),
    inFlight: number(values["in-flight"], "in-flight"),
    seconds: number(values.seconds, "seconds"),
    gateways: number(values.gateways, "gateways"),
    workers,
    partitions: values.partitions === undefined ? workers : number(values.partitions, "partitions"),
    json: values.json,
  });
  return verified ? 0 : 1;
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    process.stderr.write(`bench: ${error.message}\n`);
    process.exit(error instanceof TypeError ? 2 : 1);
  },
);

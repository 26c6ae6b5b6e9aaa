/**
 * Hostile inputs at a live cluster: `npm run fuzz -- [options]`. Exit code 1 when a process ended, an error was logged,
 * somebody else was disturbed, or a server answered that it is at fault.
 */
import { parseArgs } from "node:util";
import { ATTACKS, type FuzzResult, fuzz } from "./run";

const USAGE = `Sends random and nearly correct frames, messages, upgrades and requests to a live cluster, while other users chat.

  npm run fuzz -- [options]

  --count N      number of inputs (default 1000000)
  --minutes N    end after this time, whatever the count
  --seed SEED    seed of all inputs (default: random)
  --from N       number of the first attack; with the seed and --attacks 1, this repeats one attack
  --attacks N    end after this number of attacks
  --rate N       maximum number of inputs a second (default: unlimited)
  --only LIST    only these kinds of attacks, separated by commas
  --quiet N      seconds of chat before the attacks, for comparison (default 20)
  --list         show the kinds of attacks
  --help`;

const PROGRESS_EVERY_S = 10;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "1000000" },
      minutes: { type: "string" },
      seed: { type: "string" },
      from: { type: "string", default: "0" },
      attacks: { type: "string" },
      rate: { type: "string" },
      only: { type: "string" },
      quiet: { type: "string", default: "20" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return say(USAGE);
  if (values.list) return say(ATTACKS.map(({ name, about }) => `${name.padEnd(12)} ${about}`).join("\n"));
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
  console.log(`seed ${seed}`);
  let toldAt = 0;
  const result = await fuzz({
    seed,
    count: Number(values.count),
    ms: values.minutes === undefined ? Number.POSITIVE_INFINITY : Number(values.minutes) * 60_000,
    from: Number(values.from),
    ...(values.attacks === undefined ? {} : { attacks: Number(values.attacks) }),
    ...(values.rate === undefined ? {} : { rate: Number(values.rate) }),
    ...(values.only === undefined ? {} : { only: values.only.split(",") }),
    quietMs: Number(values.quiet) * 1_000,
    yields: true,
    onProgress: ({ inputs, attacks, seconds }) => {
      if (seconds - toldAt < PROGRESS_EVERY_S) return;
      toldAt = seconds;
      console.log(`${inputs} inputs in ${attacks} attacks, ${Math.round(seconds)} s`);
    },
  });
  report(seed, result);
  return result.finding === undefined ? 0 : 1;
}

function report(seed: number, { inputs, seconds, byAttack, finding, quiet, attacked }: FuzzResult): void {
  console.log(`${inputs} inputs in ${Math.round(seconds)} s (${Math.round(inputs / seconds)} a second)`);
  for (const [name, count] of Object.entries(byAttack)) console.log(`  ${name.padEnd(12)} ${count}`);
  const chat = (of: FuzzResult["quiet"]) =>
    `${of.count} messages, p50 ${of.p50.toFixed(1)} ms, p99 ${of.p99.toFixed(1)} ms`;
  console.log(`bystanders, quiet:    ${chat(quiet)}`);
  console.log(`bystanders, attacked: ${chat(attacked)}; p99 ${(attacked.p99 / quiet.p99).toFixed(1)} times`);
  if (finding === undefined) return console.log("the same processes, no error in the log, nobody else disturbed");
  const [first, last] = finding.attacks;
  console.log(`FOUND: ${finding.why}`);
  console.log(`again: npm run fuzz -- --seed ${seed} --from ${first} --attacks ${last - first + 1}`);
}

function say(text: string): number {
  console.log(text);
  return 0;
}

void main().then(
  (code) => process.exit(code),
  (error: Error) => {
    console.error(error);
    process.exit(1);
  },
);

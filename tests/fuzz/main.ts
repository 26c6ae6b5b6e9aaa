/**
 * `npm run fuzz -- [options]` sends hostile inputs to a live cluster. The exit code is 1 when a process ended, an error was
 * logged, a bystander was disturbed, or a server answered that it is at fault.
 */
import { commandLine, wholeNumber } from "@carillon/base/command-line";
import { DecoderFault, fuzzDecoders } from "./decoders";
import { ATTACKS, type FuzzResult, fuzz } from "./run";

interface Options {
  count: number;
  minutes?: number;
  seed?: number;
  from: number;
  attacks?: number;
  rate?: number;
  only?: string;
  quiet: number;
  list?: boolean;
  decoders?: boolean;
}

const command = commandLine(
  "npm run fuzz --",
  "Sends random and nearly correct frames, messages, upgrades and requests to a live cluster, while other users chat.",
)
  .option("--count <N>", "number of inputs", wholeNumber(1), 1_000_000)
  .option("--minutes <N>", "end after this time, whatever the count", wholeNumber(1))
  .option("--seed <SEED>", "seed of all inputs (default: random)", wholeNumber(0))
  .option(
    "--from <N>",
    "number of the first attack; with the seed and --attacks 1, this repeats one attack",
    wholeNumber(0),
    0,
  )
  .option("--attacks <N>", "end after this number of attacks", wholeNumber(1))
  .option("--rate <N>", "maximum number of inputs a second (default: unlimited)", wholeNumber(1))
  .option("--only <LIST>", "only these kinds of attacks, separated by commas")
  .option("--quiet <N>", "seconds of chat before the attacks, for comparison", wholeNumber(0), 20)
  .option("--decoders", "feed the decoders in this process instead, without a cluster")
  .option("--list", "show the kinds of attacks");

const PROGRESS_EVERY_S = 10;

async function main(): Promise<number> {
  const options = command.parse().opts<Options>();
  if (options.list) {
    console.log(ATTACKS.map(({ name, about }) => `${name.padEnd(12)} ${about}`).join("\n"));
    return 0;
  }
  const { seed = Math.floor(Math.random() * 1_000_000), count, minutes, from, attacks, rate, only, quiet } = options;
  console.log(`seed ${seed}`);
  if (options.decoders) return feedDecoders(seed, count);
  let toldAt = 0;
  const result = await fuzz({
    seed,
    count,
    ms: minutes === undefined ? Number.POSITIVE_INFINITY : minutes * 60_000,
    from,
    ...(attacks === undefined ? {} : { attacks }),
    ...(rate === undefined ? {} : { rate }),
    ...(only === undefined ? {} : { only: only.split(",") }),
    quietMs: quiet * 1_000,
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

function feedDecoders(seed: number, count: number): number {
  try {
    const { inputs, seconds, byDecoder, slowestMs } = fuzzDecoders(seed, count, (done) =>
      console.log(`${done} inputs`),
    );
    console.log(`${inputs} inputs in ${Math.round(seconds)} s (${Math.round(inputs / seconds)} a second)`);
    for (const [name, fed] of Object.entries(byDecoder)) console.log(`  ${name.padEnd(12)} ${fed}`);
    console.log(
      `the slowest took ${slowestMs.toFixed(1)} ms; ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB at the end`,
    );
    return 0;
  } catch (error) {
    if (!(error instanceof DecoderFault)) throw error;
    console.log(
      `FOUND: ${error.message}\nadd it to tests/fuzz/corpus/decoders.txt: ${error.decoder} ${error.input.toString("hex")}`,
    );
    return 1;
  }
}

function report(seed: number, { inputs, seconds, byAttack, finding, quiet, attacked }: FuzzResult): void {
  console.log(`${inputs} inputs in ${Math.round(seconds)} s (${Math.round(inputs / seconds)} a second)`);
  for (const [name, count] of Object.entries(byAttack)) console.log(`  ${name.padEnd(12)} ${count}`);
  const chat = (of: FuzzResult["quiet"]) =>
    `${of.count} messages, p50 ${of.p50.toFixed(1)} ms, p99 ${of.p99.toFixed(1)} ms`;
  console.log(`bystanders, quiet:    ${chat(quiet)}`);
  console.log(`bystanders, attacked: ${chat(attacked)}; p99 ${(attacked.p99 / quiet.p99).toFixed(1)} times`);
  if (finding === undefined)
    return console.log("the processes are the same, the log has no error, and no bystander was disturbed");
  const [first, last] = finding.attacks;
  console.log(`FOUND: ${finding.why}`);
  console.log(`again: npm run fuzz -- --seed ${seed} --from ${first} --attacks ${last - first + 1}`);
}

void main().then(
  (code) => process.exit(code),
  (error: Error) => {
    console.error(error);
    process.exit(1);
  },
);

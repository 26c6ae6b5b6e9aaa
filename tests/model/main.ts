/**
 * `npm run model -- [--seeds N] [--from SEED] [--seed SEED]` compares users of a real cluster with a small model. The exit code
 * is 1 when the cluster differs from the model.
 */
import { commandLine, wholeNumber } from "@carillon/base/command-line";
import { checkSeeds, describeFailure, OPERATIONS } from "./check-seeds";
import { openPlace } from "./open-place";
import { DEVICES, PEOPLE } from "./operations";

interface Options {
  seeds: number;
  from: number;
  seed?: number;
  lanes: number;
}

const command = commandLine(
  "npm run model --",
  "Compares random actions of users on a real cluster (friends, groups, messages, recalls) with a small model.",
)
  .option(
    "--seeds <N>",
    `number of seeds, each ${OPERATIONS} operations by ${PEOPLE} users with ${DEVICES} devices`,
    wholeNumber(1),
    2_000,
  )
  .option("--from <SEED>", "first seed", wholeNumber(0), 1)
  .option("--seed <SEED>", "only this seed", wholeNumber(0))
  .option("--lanes <N>", "number of parallel runs", wholeNumber(1), 8);

const PROGRESS_EVERY = 100;

async function main(): Promise<number> {
  const { seeds: given, from: first, seed, lanes } = command.parse().opts<Options>();
  const [from, count] = seed === undefined ? [first, given] : [seed, 1];
  const startedAt = performance.now();
  const place = await openPlace();
  let done = 0;
  const onDone = () => {
    done++;
    if (done % PROGRESS_EVERY === 0) console.log(`${done} seeds, ${seconds(startedAt)} s`);
  };
  try {
    const seeds = Array.from({ length: count }, (_, i) => from + i);
    const failure = await checkSeeds(place, seeds, Math.min(count, lanes), onDone);
    console.log(
      failure === undefined
        ? `${done} seeds in ${seconds(startedAt)} s, all as the model says`
        : describeFailure(failure),
    );
    return failure === undefined ? 0 : 1;
  } finally {
    await place.cluster.stop();
  }
}

const seconds = (since: number) => Math.round((performance.now() - since) / 1_000);

void main().then((code) => process.exit(code));

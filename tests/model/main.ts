/**
 * People at a real cluster against a small model: `npm run model -- [--seeds N] [--from SEED] [--seed SEED]`.
 * Exit code 1 when something is not as the model says.
 */
import { parseArgs } from "node:util";
import { checkSeeds, describeFailure, OPERATIONS } from "./check-seeds";
import { openPlace } from "./open-place";
import { DEVICES, PEOPLE } from "./operations";

const USAGE = `Compares random actions of users on a real cluster (friends, groups, messages, recalls) with a small model.

  npm run model -- [options]

  --seeds N    number of seeds (default 2000), each ${OPERATIONS} operations by ${PEOPLE} users with ${DEVICES} devices
  --from SEED  first seed (default 1)
  --seed SEED  only this seed
  --lanes N    number of parallel runs (default 8)
  --help`;

const PROGRESS_EVERY = 100;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "2000" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      lanes: { type: "string", default: "8" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const [from, count] =
    values.seed === undefined ? [Number(values.from), Number(values.seeds)] : [Number(values.seed), 1];
  const startedAt = performance.now();
  const place = await openPlace();
  let done = 0;
  const onDone = () => {
    done++;
    if (done % PROGRESS_EVERY === 0) console.log(`${done} seeds, ${seconds(startedAt)} s`);
  };
  try {
    const seeds = Array.from({ length: count }, (_, i) => from + i);
    const failure = await checkSeeds(place, seeds, Math.min(count, Number(values.lanes)), onDone);
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

/** Compares random users of a real cluster with the small model, for some seeds; `npm run model` has thousands. */
import { checkSeeds, describeFailure } from "./check-seeds";
import { openPlace } from "./open-place";
import type { Place } from "./run-operations";

const SEEDS = 24;
const SIDE_BY_SIDE = 8;

let place: Place;
beforeAll(async () => {
  place = await openPlace();
}, 300_000);
afterAll(() => place?.cluster.stop(), 60_000);

test("all answers, shown events and lists are as the model says", async () => {
  const seeds = Array.from({ length: SEEDS }, (_, i) => i + 1);
  const failure = await checkSeeds(place, seeds, SIDE_BY_SIDE);
  if (failure !== undefined) throw new Error(describeFailure(failure));
}, 600_000);

/** Sends hostile inputs to a live cluster for a moment; `npm run fuzz` sends a million. */
import { fuzz } from "./run";

/** Another seed each day would find more, but a failed test must fail again. */
const SEED = 6;
const COUNT = 8_000;
const MOST_MS = 20_000;

test("the same processes, no error in the log, and nobody else is disturbed", async () => {
  const { finding, inputs } = await fuzz({ seed: SEED, count: COUNT, ms: MOST_MS });
  if (finding !== undefined) {
    throw new Error(`attacks ${finding.attacks.join(" to ")} of seed ${SEED}: ${finding.why}`);
  }
  expect(inputs).toBeGreaterThan(1_000);
}, 300_000);

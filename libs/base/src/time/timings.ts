/** Times that depend on each other: each says why, and a program in which they contradict each other does not start. */

/** Why the first time may not be longer than the second, both in ms. */
export type TimingRule = readonly [why: string, shorterMs: number, longerMs: number];

/** @throws Error that names every rule which does not hold */
export function assertTimings(rules: readonly TimingRule[]): void {
  const broken = rules.filter(([, shorterMs, longerMs]) => shorterMs > longerMs);
  if (broken.length === 0) return;
  const lines = broken.map(
    ([why, shorterMs, longerMs]) => `${shorterMs} ms must not be more than ${longerMs} ms: ${why}`,
  );
  throw new Error(`times that contradict each other:\n${lines.join("\n")}`);
}

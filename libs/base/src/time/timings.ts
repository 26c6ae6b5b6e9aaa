/** Rules for times that depend on each other, each with its reason. A program whose times break a rule does not start. */

/** A rule: the reason why the first time may not be longer than the second, both in ms. */
export type TimingRule = readonly [why: string, shorterMs: number, longerMs: number];

/** @throws Error that names every broken rule */
export function assertTimings(rules: readonly TimingRule[]): void {
  const broken = rules.filter(([, shorterMs, longerMs]) => shorterMs > longerMs);
  if (broken.length === 0) return;
  const lines = broken.map(
    ([why, shorterMs, longerMs]) => `${shorterMs} ms must not be more than ${longerMs} ms: ${why}`,
  );
  throw new Error(`times that contradict each other:\n${lines.join("\n")}`);
}

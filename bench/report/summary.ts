/** Summarises rounds of the same measurement. Pure. */

export interface Summary {
  median: number;
  min: number;
  max: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** @throws RangeError for no values */
export function summarise(values: readonly number[]): Summary {
  if (values.length === 0) throw new RangeError("no rounds to summarise");
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * Returns the ratio of `of` to `against`, round by round: the machine is not the same from one round to the next, so only
 * values of one round are divided.
 */
export function ratios(of: readonly number[], against: readonly number[]): Summary {
  const rounds = Math.min(of.length, against.length);
  return summarise(Array.from({ length: rounds }, (_, round) => of[round]! / against[round]!));
}

/** Formats a summary: `12.3`, or with more than one round `12.3 (11.9 to 13.0)`. */
export function describeSummary({ median: middle, min, max }: Summary, digits = 1): string {
  if (min === max) return middle.toFixed(digits);
  return `${middle.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
}

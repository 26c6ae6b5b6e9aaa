/** Judges whether a message costs more than in an earlier result. Pure. */

/** CPU per message, us. */
export interface StoredCosts {
  total: number;
  kinds: Record<string, number>;
}

export interface Comparison {
  before: number;
  after: number;
  /** The later value divided by the earlier one. */
  ratio: number;
  isWorse: boolean;
  /** The kind that changed most comes first. */
  kinds: { kind: string; before: number; after: number }[];
}

/** @param tolerance part by which the total may grow, 0.15 for 15 % */
export function compareCosts(before: StoredCosts, after: StoredCosts, tolerance: number): Comparison {
  const names = [...new Set([...Object.keys(before.kinds), ...Object.keys(after.kinds)])];
  const kinds = names.map((kind) => ({ kind, before: before.kinds[kind] ?? 0, after: after.kinds[kind] ?? 0 }));
  const change = (each: { before: number; after: number }) => Math.abs(each.after - each.before);
  const ratio = after.total / before.total;
  return {
    before: before.total,
    after: after.total,
    ratio,
    isWorse: ratio > 1 + tolerance,
    kinds: kinds.sort((a, b) => change(b) - change(a)),
  };
}

export function describeComparison({ before, after, ratio, isWorse, kinds }: Comparison, tolerance: number): string[] {
  const row = (name: string, from: number, to: number) =>
    `  ${name.padEnd(12)}${from.toFixed(1).padStart(8)} us ->${to.toFixed(1).padStart(8)} us  ${change(to - from)}`;
  const verdict = isWorse ? `WORSE by more than ${Math.round(tolerance * 100)} %` : "within the tolerance";
  return [
    `  against the earlier run: ${ratio.toFixed(2)} times the CPU per message, ${verdict}`,
    ...kinds.map((each) => row(each.kind, each.before, each.after)),
    row("all servers", before, after),
  ];
}

const change = (us: number) => `${us < 0 ? "-" : "+"}${Math.abs(us).toFixed(1)}`;

/**
 * The guard against slow changes: a short private run, whose CPU per message is compared with that of an earlier run on the
 * same machine. The result is a ratio, because seconds are not the same on two machines, and it has a part for each kind of
 * process, which shows where the cost grew.
 */
import { readFileSync } from "node:fs";
import type { Contestant } from "../peers/contestant";
import { compareCosts, describeComparison, type StoredCosts } from "../report/guard";
import { describeMachine, type Machine } from "../report/machine";
import { type Outcome, printResult } from "../report/result";
import { summarise } from "../report/summary";
import { chartsOf, describePrivate, measurePrivate, type PrivateOptions, type PrivateResult } from "./private";

export interface QuickOptions extends PrivateOptions {
  /** File of an earlier result, of `quick` or `private`; undefined: the result is only kept. */
  against: string | undefined;
  /** Part by which CPU per message may be higher, 0.15 for 15 %. */
  tolerance: number;
}

/** @returns an outcome that is not `ok` also when a message costs more than before by more than the tolerance */
export async function runQuick(contestant: Contestant, options: QuickOptions): Promise<Outcome> {
  const { against, tolerance } = options;
  const before = against === undefined ? undefined : readCosts(against);
  const result = await measurePrivate([contestant], options);
  const comparison = before && compareCosts(before, costsOf(result), tolerance);
  const lines = [
    ...describePrivate(result),
    ...(comparison === undefined ? [] : describeComparison(comparison, tolerance)),
  ];
  const outcome = printResult(
    { ...result, ...(comparison && { comparison }) },
    { lines, ...chartsOf(result) },
    options.json,
  );
  return { ...outcome, ok: result.ok && comparison?.isWorse !== true };
}

/** @throws TypeError for a file that is no such result, or the result of another machine */
function readCosts(file: string): StoredCosts {
  let stored: Partial<PrivateResult> & { machine?: Machine };
  try {
    stored = JSON.parse(readFileSync(file, "utf8")) as typeof stored;
  } catch (error) {
    throw new TypeError(`${file} cannot be read: ${(error as Error).message}`);
  }
  if (stored.scenario !== "private" || stored.runs === undefined || stored.runs.length === 0) {
    throw new TypeError(`${file} is not the result of a quick or private run`);
  }
  const here = describeMachine();
  if (stored.machine?.model !== here.model || stored.machine?.cores !== here.cores) {
    throw new TypeError(`${file} was measured on another machine: ${stored.machine?.cores} x ${stored.machine?.model}`);
  }
  return costsOf(stored as PrivateResult);
}

/** Returns the medians of all rounds of the first contestant. */
function costsOf({ runs }: PrivateResult): StoredCosts {
  const accounts = runs.filter(({ contestant }) => contestant === runs[0]!.contestant).map(({ account }) => account);
  const kinds = Object.keys(accounts[0]!.kinds).map((kind): [string, number] => [
    kind,
    summarise(accounts.map(({ kinds: of }) => of[kind]?.cpu ?? 0)).median,
  ]);
  return { total: summarise(accounts.map(({ cpu }) => cpu)).median, kinds: Object.fromEntries(kinds) };
}

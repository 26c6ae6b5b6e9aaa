/** Runs many seeds, several side by side, and shortens a failed run as far as possible. */

import type { Operation } from "./operations";
import { operationsOf } from "./operations";
import { type Place, runOperations } from "./run-operations";

export const OPERATIONS = 60;

export interface Failure {
  seed: number;
  /** The difference from the model. */
  why: string;
  /** The shortest list of operations that shows the difference. */
  operations: Operation[];
}

/**
 * @param onDone called after each seed
 * @returns the first failure, shortened
 */
export async function checkSeeds(
  place: Place,
  seeds: Iterable<number>,
  sideBySide: number,
  onDone: () => void = () => {},
): Promise<Failure | undefined> {
  const iterator = seeds[Symbol.iterator]();
  let failure: Failure | undefined;
  const lane = async () => {
    for (let next = iterator.next(); next.done !== true && failure === undefined; next = iterator.next()) {
      const seed = next.value;
      const operations = operationsOf(seed, OPERATIONS);
      const why = await runOperations(place, operations);
      if (why !== undefined) failure ??= { seed, why, operations };
      onDone();
    }
  };
  await Promise.all(Array.from({ length: sideBySide }, lane));
  return failure === undefined ? undefined : shorten(place, failure);
}

/** Leaves parts out, large ones first, as long as the run still fails. */
async function shorten(place: Place, failure: Failure): Promise<Failure> {
  let found = failure;
  for (let size = Math.ceil(found.operations.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < found.operations.length; ) {
      const operations = found.operations.filter((_, index) => index < at || index >= at + size);
      const why = await runOperations(place, operations);
      if (why === undefined) at += size;
      else found = { ...found, why, operations };
    }
  }
  return found;
}

export function describeFailure({ seed, why, operations }: Failure): string {
  const steps = operations.map((operation) => `  ${JSON.stringify(operation)}`).join("\n");
  return `seed ${seed}: ${why}\nwith these operations:\n${steps}\nagain: npm run model -- --seed ${seed}`;
}

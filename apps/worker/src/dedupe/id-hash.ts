/**
 * Where an id lies in a hash table, in a way that nobody outside can foresee: clients choose their ids, and ids that fall into
 * one bucket would make each of them cost as much as all together.
 *
 * Each word is multiplied by an odd number of its own, drawn when the process starts, and the highest bits of the sum are
 * taken (multiply-shift, Dietzfelbinger et al. 1997): of any two ids, whoever chose them, at most 2 in `buckets` processes
 * put both into one bucket. A seed that is only mixed into a fixed hash would not do: ids that collide before the mixing
 * collide with every seed.
 */
import { randomBytes } from "node:crypto";

const WORD_BYTES = 4;

/** One random odd number for each word of an id. */
export function newMultipliers(words: number): Uint32Array {
  const bytes = randomBytes(words * WORD_BYTES);
  return Uint32Array.from({ length: words }, (_, word) => bytes.readUInt32LE(word * WORD_BYTES) | 1);
}

/** @param buckets a power of two, 2 or more */
export function bucketOf(id: Uint32Array, multipliers: Uint32Array, buckets: number): number {
  let sum = 0;
  for (let word = 0; word < multipliers.length; word++) sum = (sum + Math.imul(id[word]!, multipliers[word]!)) | 0;
  return sum >>> (Math.clz32(buckets) + 1);
}

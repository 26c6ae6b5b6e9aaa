import { seeded } from "@carillon/testkit";
import { bucketOf, newMultipliers } from "../src/decide/accepted-log";

const WORDS = 4;
const BUCKETS = 65_536;
const COUNT = 60_000;

/** As a process draws them, but the same each time. */
const drawn = (seed: number) => {
  const random = seeded(seed);
  return Uint32Array.from({ length: WORDS }, () => Math.floor(random() * 2 ** 32) | 1);
};

const fullest = (ids: Uint32Array[], multipliers: Uint32Array, buckets = BUCKETS) => {
  const counts = new Uint32Array(buckets);
  for (const id of ids) counts[bucketOf(id, multipliers, buckets)]!++;
  return Math.max(...counts);
};

/** Ids that all fell into one bucket by the hash that was fixed: `words` are free, one is chosen. */
const formerCollisions = Array.from({ length: COUNT }, (_, i) => {
  const [id3, id2, id1] = [i, Math.imul(i, 2_654_435_761), i * 7];
  const id0 = 12_345 ^ id3 ^ Math.imul(id2, 0x85eb_ca6b) ^ Math.imul(id1, 0xc2b2_ae35);
  return Uint32Array.of(id0, id1, id2, id3);
});
/** Ids that differ in few bits: the lowest of one word, or the highest. */
const near = Array.from({ length: COUNT }, (_, i) => Uint32Array.of(1, 2, 3, i));
const far = Array.from({ length: COUNT }, (_, i) => Uint32Array.of(1, 2, i << 16, 4));

test.each([
  ["that collided by the fixed hash", formerCollisions],
  ["that count up", near],
  ["that differ in their highest bits", far],
])("ids %s lie apart, whatever the process has drawn", (_name, ids) => {
  for (const seed of [1, 2, 3]) expect(fullest(ids, drawn(seed))).toBeLessThan(100);
});

test("ids that were chosen for one process lie apart in another", () => {
  const [known, other] = [drawn(1), drawn(2)];
  const chosen: Uint32Array[] = [];
  for (let i = 0; chosen.length < 500; i++) {
    const id = Uint32Array.of(i, Math.imul(i, 97), 7, Math.imul(i, 2_654_435_761));
    if (bucketOf(id, known, 1_024) === 0) chosen.push(id);
  }
  expect(fullest(chosen, known, 1_024)).toBe(500);
  expect(fullest(chosen, other, 1_024)).toBeLessThan(100);
});

test("every number of buckets is used to its end", () => {
  for (const buckets of [2, 64, 1_048_576]) {
    const found = near.map((id) => bucketOf(id, drawn(1), buckets));
    expect(Math.min(...found)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...found)).toBeLessThan(buckets);
  }
});

test("each process draws odd numbers of its own", () => {
  const [one, other] = [newMultipliers(WORDS), newMultipliers(WORDS)];
  expect([...one, ...other].every((number) => number % 2 === 1)).toBe(true);
  expect(one).not.toEqual(other);
});

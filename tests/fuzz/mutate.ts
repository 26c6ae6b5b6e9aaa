/** Makes nearly good inputs from good ones, since most faults hide there. */
import type { Random } from "./random";

/** Changes one to four bytes. */
export function mutateBytes(random: Random, bytes: Uint8Array): Buffer {
  let mutated: Buffer = Buffer.from(bytes);
  for (let i = random.between(1, 4); i > 0; i--) mutated = changeBytes(random, mutated);
  return mutated;
}

function changeBytes(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  const span = random.between(1, 8);
  switch (random.below(7)) {
    case 0: {
      const flipped = Buffer.from(bytes);
      if (at < flipped.length) flipped[at] = flipped[at]! ^ (1 << random.below(8));
      return flipped;
    }
    case 1:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(span), bytes.subarray(at)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + span)]);
    case 3:
      return bytes.subarray(0, at);
    case 4:
      return Buffer.concat([bytes, bytes.subarray(at)]);
    case 5: {
      const changed = Buffer.from(bytes);
      if (at < changed.length) changed[at] = random.pick([0, 0x7f, 0x80, 0xc0, 0xc1, 0xdb, 0xdd, 0xdf, 0xff]);
      return changed;
    }
    default: {
      const changed = Buffer.from(bytes);
      if (at + 4 <= changed.length) changed.writeUInt32BE((Math.abs(random.number()) % 2 ** 32) >>> 0, at);
      return changed;
    }
  }
}

/** As `mutateBytes`, for text: removes or doubles pieces, or replaces them by odd ones. */
export function mutateText(random: Random, text: string): string {
  let mutated = text;
  for (let i = random.between(1, 3); i > 0; i--) {
    const at = random.below(mutated.length + 1);
    const end = at + random.between(0, 6);
    const inserted = random.pick([
      "",
      random.text(),
      mutated.slice(at, end).repeat(2),
      '"',
      "{",
      "[[[[",
      "\\ud800",
      ",",
    ]);
    mutated = mutated.slice(0, at) + inserted + mutated.slice(end);
  }
  return mutated;
}

/** Changes one place of a value: it replaces, removes or doubles an entry, or adds an unknown one. */
export function mutateValue(random: Random, value: unknown): unknown {
  if (Array.isArray(value)) {
    const at = random.below(value.length + 1);
    if (random.chance(0.2)) return Array.from({ length: random.pick([65, 501, 3_000]) }, () => value[0] ?? "x");
    return [...value.slice(0, at), mutateValue(random, value[at]), ...value.slice(at + 1)];
  }
  if (typeof value !== "object" || value === null || random.chance(0.1)) return random.value();
  const entries = Object.entries(value);
  const at = random.below(entries.length + 1);
  const entry = entries[at];
  if (entry === undefined) return Object.fromEntries([...entries, [random.text(), random.value()]]);
  if (random.chance(0.15)) return Object.fromEntries(entries.filter((_, index) => index !== at));
  return { ...value, [entry[0]]: mutateValue(random, entry[1]) };
}

/** Cuts bytes into chunks, so that they arrive in pieces. */
export function cutAnywhere(random: Random, bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = random.chance(0.5) ? bytes.length : random.between(1, Math.max(1, Math.ceil(bytes.length / 3)));
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

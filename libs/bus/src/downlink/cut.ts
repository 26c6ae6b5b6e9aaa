/** Maximum bytes of a part: below NATS's max_payload of 1 MiB, with room for the envelope. */
const MOST_BYTES = 900 * 1024;

/** Splits items into parts that fit into one message each, in their order. @param sizeOf bytes of an encoded item */
export function* cut<T>(items: T[], sizeOf: (item: T) => number): Generator<T[]> {
  let part: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (bytes + size > MOST_BYTES && part.length > 0) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(item);
    bytes += size;
  }
  if (part.length > 0) yield part;
}

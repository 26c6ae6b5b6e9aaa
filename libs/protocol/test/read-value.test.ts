import { encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { readValue } from "../src/index";

const value = fc.letrec((again) => ({
  any: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
    fc.string({ unit: "grapheme", maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(again("any"), { maxLength: 20 }),
    fc.dictionary(
      fc.string({ maxLength: 40 }).filter((key) => key !== "__proto__"),
      again("any"),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
})).any;

test("every value is read as it was written", () => {
  fc.assert(fc.property(value, (any) => expect(readValue(encode(any))).toEqual(any)));
});

test("a text that begins with a byte order mark keeps it, however long it is", () => {
  for (const length of [0, 10, 100, 300, 70_000]) {
    const text = `\uFEFF${"é".repeat(length)}`;
    expect(readValue(encode(text))).toBe(text);
  }
});

test("bytes that end too early or too late are refused", () => {
  const property = fc.property(value, fc.nat(), (any, at) => {
    const bytes = encode(any);
    expect(() => readValue(bytes.subarray(0, at % bytes.length))).toThrow("not one value");
    expect(() => readValue(new Uint8Array([...bytes, 0]))).toThrow("not one value");
  });
  fc.assert(property);
});

test("a list or map that declares more entries than bytes is refused at once", () => {
  for (const first of [0xdd, 0xdf]) {
    expect(() => readValue(Uint8Array.of(first, 0xff, 0xff, 0xff, 0xff, 1))).toThrow("not one value");
  }
});

test("byte strings are views", () => {
  const bytes = encode([Uint8Array.of(1, 2, 3)]);
  const [view] = readValue(bytes) as [Uint8Array];
  bytes[bytes.length - 1] = 9;
  expect([...view]).toEqual([1, 2, 9]);
});

test("a chain of lists or maps of one entry each is refused, not followed to the end of the stack", () => {
  for (const link of [[0x91], [0x81, 0xa1, 0x61]]) {
    const chain = (levels: number) => Uint8Array.from([...Array(levels).fill(link).flat(), 0xc0]);
    expect(() => readValue(chain(64))).not.toThrow();
    for (const levels of [65, 900_000]) expect(() => readValue(chain(levels))).toThrow("deeper than 64 levels");
    expect(readValue(encode(["again"]))).toEqual(["again"]);
  }
});

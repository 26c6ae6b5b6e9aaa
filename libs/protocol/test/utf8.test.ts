import fc from "fast-check";
import { decodeByHand, utf8Length, writeUtf8 } from "../src/codec/utf8";

test("without the platform's codecs text is written and read in the same way", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      const expected = Buffer.from(text);
      const bytes = new Uint8Array(utf8Length(text) + 2);
      expect(writeUtf8(text, bytes, 1)).toBe(1 + expected.length);
      expect(Buffer.from(bytes.subarray(1, 1 + expected.length))).toEqual(expected);
      expect(decodeByHand(bytes, 1, 1 + expected.length)).toBe(text);
    }),
    { numRuns: 200 },
  );
});

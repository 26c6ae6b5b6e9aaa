import fc from "fast-check";
import { isUtf8 } from "../src/codec/utf8";
import { decodePayload, encodePayload, parseRequest, prescan, utf8Length } from "../src/index";

/** A map {a: <bytes>}. */
function inMap(bytes: Iterable<number>): Uint8Array {
  return Uint8Array.from([0x81, 0xa1, 0x61, ...bytes]);
}

function nested(header: readonly number[], totalBytes: number): Uint8Array {
  return inMap(Array.from({ length: totalBytes - 3 }, (_, index) => header[index % header.length] as number));
}

describe("lies about sizes and depth", () => {
  const bombs: [string, Uint8Array][] = [
    ["63 KB of nested list headers", nested([0x91], 63 * 1024)],
    ["63 KB of nested lists of four", nested([0x94], 63 * 1024)],
    ["63 KB of nested list16 headers", nested([0xdc, 0xff, 0xff], 63 * 1024)],
    ["63 KB of nested list32 headers", nested([0xdd, 0xff, 0xff, 0xff, 0xff], 63 * 1024)],
    ["63 KB of nested map headers", nested([0x81, 0xa1, 0x61], 63 * 1024)],
    ["63 KB of nested map32 headers", nested([0xdf, 0x00, 0x00, 0x00, 0x40, 0xa0], 63 * 1024)],
    ["a list of 64 lists of 64 lists ... without the bytes", nested([0xdc, 0x00, 0x40], 200)],
  ];

  test.each(bombs)("%s: refused after a few bytes and without memory", (_name, bytes) => {
    const before = process.memoryUsage().heapUsed;
    for (let round = 0; round < 2000; round++) expect(prescan(bytes) === undefined).toBe(false);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 * 1024 * 1024);
    expect(parseRequest(10, bytes)).toMatchObject({ error: "BAD_PAYLOAD", message: expect.stringMatching(/^a/) });
  });

  test("eight levels pass, nine do not, of maps and of lists", () => {
    const levels = (count: number, inner: number[]) => Array.from({ length: count }, () => inner).flat();
    expect(prescan(Uint8Array.from([...levels(8, [0x81, 0xa1, 0x61]), 0xc0]))).toBeUndefined();
    expect(prescan(Uint8Array.from([...levels(9, [0x81, 0xa1, 0x61]), 0xc0]))).toMatch(/deeper than 8 levels/);
    expect(prescan(inMap([...levels(7, [0x91]), 0xc0]))).toBeUndefined();
    expect(prescan(inMap([...levels(8, [0x91]), 0xc0]))).toBe("a[0][0][0][0][0][0][0]: deeper than 8 levels");
  });

  test("64 entries pass, 65 do not, in every form of header", () => {
    const nils = (count: number) => new Array<number>(count).fill(0xc0);
    for (const header of [
      [0xdc, 0],
      [0xdd, 0, 0, 0],
    ]) {
      expect(prescan(inMap([...header, 64, ...nils(64)]))).toBeUndefined();
      expect(prescan(inMap([...header, 65, ...nils(65)]))).toBe("a: must have at most 64 entries");
    }
    const pairs = (count: number) => Array.from({ length: count }, (_, index) => [0xa1, index, 0xc0]).flat();
    for (const header of [
      [0xde, 0],
      [0xdf, 0, 0, 0],
    ]) {
      expect(prescan(inMap([...header, 64, ...pairs(64)]))).toBeUndefined();
      expect(prescan(inMap([...header, 65, ...pairs(65)]))).toBe("a: must have at most 64 entries");
    }
  });

  test("entries are counted against the bytes that are left: one each in a list, two each in a map", () => {
    const fault = "a: declares more entries than there are bytes";
    expect(prescan(inMap([0x93, 1, 2, 3]))).toBeUndefined();
    expect(prescan(inMap([0x93, 1, 2]))).toBe(fault);
    expect(prescan(inMap([0x82, 0xa0, 1, 0xa1, 0x61]))).toBe("a.a: ends too early");
    expect(prescan(inMap([0x82, 0xa0, 1, 0xa1]))).toBe(fault);
  });

  test("every cut of a good payload is refused", () => {
    const bytes = encodePayload({
      a: "text",
      b: [1, 300, 70_000, 2 ** 40],
      c: { d: true, e: null },
      f: "é".repeat(200),
    });
    expect(prescan(bytes)).toBeUndefined();
    for (let end = 1; end < bytes.length; end++) expect(prescan(bytes.subarray(0, end))).toMatch(/: /);
  });

  test("more than 65,536 bytes are refused", () => {
    expect(prescan(new Uint8Array(65_537).fill(0x80))).toBe("payload: more than 65536 bytes");
  });

  test("no bytes are the empty map", () => {
    expect(decodePayload(new Uint8Array(0))).toEqual({});
  });
});

describe("keys", () => {
  test("64 keys that differ in one byte are no duplicates; a repeated one is found at any place", () => {
    const keys = Array.from({ length: 64 }, (_, index) => `key-of-the-same-length-${String(index).padStart(2, "0")}`);
    const map = Object.fromEntries(keys.map((key) => [key, 1]));
    expect(prescan(encodePayload({ map }))).toBeUndefined();
    const text = Buffer.from(encodePayload({ map })).toString("latin1").replace("length-63", "length-07");
    expect(prescan(Uint8Array.from(Buffer.from(text, "latin1")))).toBe("map.key-of-the-same-length-07: duplicate key");
  });

  test("the same key in two maps is no duplicate, even if one map is inside the other", () => {
    expect(prescan(encodePayload({ a: { a: { a: 1 } }, b: [{ a: 1 }, { a: 2 }] }))).toBeUndefined();
  });

  test("a duplicate after an inner map with the same key is found", () => {
    expect(prescan(Uint8Array.from([0x82, 0xa1, 0x61, 0x81, 0xa1, 0x61, 1, 0xa1, 0x61, 1]))).toBe("a: duplicate key");
  });

  test("keys with the same hash are told apart", () => {
    // 31 * "A" + "a" = 31 * "B" + "B"
    expect(prescan(encodePayload({ Aa: 1, BB: 2 }))).toBeUndefined();
    expect(decodePayload(encodePayload({ Aa: 1, BB: 2 }))).toEqual({ Aa: 1, BB: 2 });
  });
});

describe("numbers", () => {
  test.each([
    [[0xcf, 0x00, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 2 ** 53 - 1],
    [[0xd3, 0xff, 0xe0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01], -(2 ** 53) + 1],
    [[0xd3, 0x00, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 2 ** 53 - 1],
    [[0xd2, 0x80, 0x00, 0x00, 0x00], -(2 ** 31)],
    [[0xd1, 0xff, 0xfe], -2],
    [[0xd0, 0x80], -128],
    [[0xe0], -32],
    [[0xce, 0xff, 0xff, 0xff, 0xff], 2 ** 32 - 1],
  ])("%j is read exactly", (bytes, value) => {
    expect(decodePayload(inMap(bytes))).toEqual({ a: value });
  });

  test.each([
    [[0xcf, 0x00, 0x20, 0, 0, 0, 0, 0, 0]],
    [[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    [[0xd3, 0x00, 0x20, 0, 0, 0, 0, 0, 0]],
    [[0xd3, 0xff, 0xe0, 0, 0, 0, 0, 0, 0]],
    [[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]],
  ])("%j would lose digits and is refused", (bytes) => {
    expect(prescan(inMap(bytes))).toBe("a: integer beyond 2^53");
  });

  test("floats are refused in both sizes", () => {
    expect(prescan(inMap([0xca, 0x3f, 0x80, 0, 0]))).toBe("a: must be an integer, not a float");
    expect(prescan(inMap([0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]))).toBe("a: must be an integer, not a float");
  });
});

describe("text", () => {
  test("accepts the same bytes as UTF-8 as the platform's decoder", () => {
    const strict = new TextDecoder("utf-8", { fatal: true });
    const platformSays = (bytes: Uint8Array) => {
      try {
        strict.decode(bytes);
        return true;
      } catch {
        return false;
      }
    };
    const interesting = fc.constantFrom(
      0x00,
      0x41,
      0x7f,
      0x80,
      0x8f,
      0x90,
      0x9f,
      0xa0,
      0xbf,
      0xc0,
      0xc1,
      0xc2,
      0xdf,
      0xe0,
      0xe1,
      0xed,
      0xef,
      0xf0,
      0xf1,
      0xf4,
      0xf5,
      0xff,
    );
    fc.assert(
      fc.property(fc.array(interesting, { maxLength: 6 }), (list) => {
        const bytes = Uint8Array.from(list);
        expect(isUtf8(bytes, 0, bytes.length)).toBe(platformSays(bytes));
      }),
      { numRuns: 3000 },
    );
  });

  test("utf8Length counts bytes, and is -1 for half of a surrogate pair", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
      }),
    );
    for (const half of ["\ud800", "\udc00", "a\ud800b", "\udc00\ud800", "\ud800\ud800\udc00"]) {
      expect(utf8Length(half)).toBe(-1);
    }
  });

  test("text of any length is read back, wherever a letter of several bytes is in it", () => {
    for (let length = 0; length < 80; length++) {
      const plain = Array.from({ length }, (_, index) => String.fromCharCode(0x61 + (index % 26))).join("");
      expect(decodePayload(encodePayload({ content: plain }))).toEqual({ content: plain });
      for (let at = 0; at <= length; at++) {
        const content = `${plain.slice(0, at)}\u00fc${plain.slice(at)}`;
        expect(decodePayload(encodePayload({ content }))).toEqual({ content });
      }
    }
  });

  test("a byte order mark stays, however long the text is", () => {
    for (const length of [0, 10, 100, 5000]) {
      const content = `\ufeff${"x".repeat(length)}`;
      expect(decodePayload(encodePayload({ content }))).toEqual({ content });
    }
  });

  test("the decoded payload does not alias the bytes", () => {
    const bytes = encodePayload({ a: Uint8Array.of(1, 2, 3) });
    const decoded = decodePayload(bytes);
    bytes.fill(0);
    expect(decoded).toEqual({ a: Uint8Array.of(1, 2, 3) });
  });
});

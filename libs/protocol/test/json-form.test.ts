import fc from "fast-check";
import { decodeJsonFrame, encodeJsonFrame, encodePayload } from "../src/index";

/** Returns the levels of maps and lists, including the value itself. */
function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

function mostEntries(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return Math.max(Object.keys(value).length, ...Object.values(value).map(mostEntries));
}

function longestKey(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? [] : Object.keys(value).map((key) => key.length);
  return Math.max(0, ...own, ...Object.values(value).map(longestKey));
}

function withPayload(payload: string): ReturnType<typeof decodeJsonFrame> {
  return decodeJsonFrame(`{"command":"PING","requestId":1,"payload":${payload}}`);
}

const flat = fc.dictionary(fc.string({ maxLength: 66 }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 70, size: "max" });

/** Payloads within the limits and beyond them: up to nine more levels around a random one. */
const payloads = fc.tuple(flat, fc.array(fc.boolean(), { maxLength: 9 })).map(([inner, levels]) => {
  const nested = levels.reduce<unknown>((value, isList) => (isList ? [value] : { level: value }), inner);
  return Array.isArray(nested) ? { list: nested } : nested;
});

describe("the scan of JSON text", () => {
  test("passes text within the limits and nothing else, whatever the strings contain", () => {
    let passed = 0;
    let refused = 0;
    fc.assert(
      fc.property(payloads, fc.constantFrom(undefined, 1, "\t"), (payload, space) => {
        const text = JSON.stringify({ command: "PING", payload }, undefined, space);
        if (text.includes("__proto__")) return;
        const isInside = depthOf(payload) <= 8 && mostEntries(payload) <= 64 && longestKey(payload) <= 64;
        const result = decodeJsonFrame(text);
        if (isInside) passed += 1;
        else refused += 1;
        if (isInside)
          expect(result).toEqual({ command: 3, requestId: 0, payload: JSON.parse(JSON.stringify(payload)) });
        else expect(result).toMatchObject({ error: "BAD_PAYLOAD", requestId: 0 });
      }),
      { numRuns: 300 },
    );
    expect(passed).toBeGreaterThan(20);
    expect(refused).toBeGreaterThan(5);
  });

  test("64 entries pass, 65 do not, in maps and lists", () => {
    const list = (count: number) => `{"a":[${new Array(count).fill("[]").join(",")}]}`;
    const map = (count: number) => `{"a":{${Array.from({ length: count }, (_, index) => `"k${index}":{}`).join(",")}}}`;
    expect(withPayload(list(64))).toHaveProperty("payload");
    expect(withPayload(map(64))).toHaveProperty("payload");
    expect(withPayload(list(65))).toMatchObject({ error: "BAD_PAYLOAD", message: "a: must have at most 64 entries" });
    expect(withPayload(map(65))).toMatchObject({ error: "BAD_PAYLOAD", message: "a: must have at most 64 entries" });
  });

  test("names the place of a fault", () => {
    expect(withPayload('{"a":{"b":[{},{"c":1,"c":2}]}}')).toMatchObject({ message: "a.b[1].c: duplicate key" });
    expect(withPayload('{"inbox":{"__proto__":1}}')).toMatchObject({
      message: "inbox.__proto__: is not allowed as a key",
    });
    expect(withPayload('{"a":"{\\"a\\":[","b":"\\\\","c":{}}')).toHaveProperty("payload");
    expect(withPayload(`{"${"k".repeat(65)}":1}`)).toMatchObject({ error: "BAD_PAYLOAD" });
  });

  test("depth bombs are refused", () => {
    const bomb = `{"a":${"[".repeat(60_000)}${"]".repeat(60_000)}}`;
    expect(withPayload(bomb)).toMatchObject({
      error: "BAD_PAYLOAD",
      message: expect.stringContaining("deeper than 8"),
    });
    expect(decodeJsonFrame("[".repeat(131_072))).toMatchObject({ error: "BAD_FRAME" });
  });

  test("text above 131,072 characters is too large", () => {
    const frame = (length: number) => `{"command":"PING"${" ".repeat(length - 18)}}`;
    expect(decodeJsonFrame(frame(131_072))).toMatchObject({ command: 3 });
    expect(decodeJsonFrame(frame(131_073))).toMatchObject({ error: "FRAME_TOO_LARGE", requestId: 0 });
  });
});

describe("encodeJsonFrame", () => {
  test("turns bytes into an object, and refuses what is no command or no payload", () => {
    expect(encodeJsonFrame(47, 3)).toBe('{"command":"OK","requestId":3,"payload":{}}');
    expect(encodeJsonFrame(4, 3, encodePayload({ serverTime: 5 }))).toBe(
      '{"command":"PONG","requestId":3,"payload":{"serverTime":5}}',
    );
    expect(() => encodeJsonFrame(999, 0)).toThrow(RangeError);
    expect(() => encodeJsonFrame(4, 0, Uint8Array.of(0xc1))).toThrow("must be a map");
  });
});

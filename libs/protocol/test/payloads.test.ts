import { Decoder } from "@msgpack/msgpack";
import fc from "fast-check";
import { follow } from "../../../scripts/generate/schemas";
import {
  decodeJsonFrame,
  decodePayload,
  encodeFrame,
  encodeJsonFrame,
  encodePayload,
  FrameDecoder,
  packPayload,
  parseRequest,
  parseServerMessage,
  prescan,
} from "../src/index";
import { fitting, payloadSchemas } from "./arbitraries";
import { schemas } from "./golden";

const rows = payloadSchemas.map((row) => [`${row.name} from the ${row.from}`, row] as const);
const parserOf = (from: "client" | "server") => (from === "client" ? parseRequest : parseServerMessage);

describe.each(rows)("%s", (_title, { number, from, schema }) => {
  const parse = parserOf(from);
  const payloads = fitting(schema) as fc.Arbitrary<Record<string, unknown>>;

  test("survives both forms", () => {
    fc.assert(
      fc.property(payloads, fc.nat(0xffffffff), (payload, requestId) => {
        const [frame] = new FrameDecoder().push(encodeFrame(number, requestId, payload));
        expect(frame?.requestId).toBe(requestId);
        expect(parse(number, frame?.payload as Uint8Array)).toEqual({ command: number, payload });
        const fromJson = decodeJsonFrame(encodeJsonFrame(number, requestId, payload));
        expect(fromJson).toEqual({ command: number, requestId, payload });
        expect(parse(number, payload)).toEqual({ command: number, payload });
        if (from === "client") expect(packPayload(payload)).toEqual(encodePayload(payload));
      }),
      { numRuns: 60 },
    );
  });

  test("a missing required key is refused by name", () => {
    fc.assert(
      fc.property(payloads, (payload) => {
        for (const key of schema.required ?? []) {
          const { [key]: _gone, ...rest } = payload;
          expect(parse(number, encodePayload(rest))).toEqual({ error: "BAD_PAYLOAD", message: `${key}: missing` });
        }
      }),
      { numRuns: 10 },
    );
  });

  test("a value of the wrong type is refused by name, nil too", () => {
    const keys = Object.entries(schema.properties ?? {});
    fc.assert(
      fc.property(payloads, (payload) => {
        for (const [key, property] of keys) {
          const { type, anyOf } = follow(property, schemas.definitions).schema;
          const wrongValues = [type === "boolean" ? "true" : true, -1, 1.5, ...(anyOf ? [] : [null])];
          for (const wrong of wrongValues) {
            const result = parse(number, encodePayload({ ...payload, [key]: wrong }));
            expect(result).toMatchObject({ error: "BAD_PAYLOAD", message: expect.stringContaining(`${key}: `) });
          }
        }
      }),
      { numRuns: 5 },
    );
  });

  test(from === "client" ? "an unknown key is refused by name" : "an unknown key is ignored", () => {
    const [payload] = fc.sample(payloads, { numRuns: 1, seed: 1 });
    const result = parse(number, encodePayload({ ...payload, novelty: 1 }));
    if (from === "client") expect(result).toEqual({ error: "BAD_PAYLOAD", message: "novelty: unknown key" });
    else expect(result).toMatchObject({ command: number });
  });
});

describe("the wrong side", () => {
  test.each(rows)("%s is unknown from the other one", (_title, { number, from }) => {
    const isBoth = payloadSchemas.filter((row) => row.number === number).length === 2;
    const other = parserOf(from === "client" ? "server" : "client");
    expect("error" in other(number, new Uint8Array(0)) && other(number, new Uint8Array(0))).toMatchObject({
      error: isBoth ? "BAD_PAYLOAD" : "UNKNOWN_COMMAND",
    });
  });

  test("a number without a command is unknown, even if it is a property of every object", () => {
    expect(parseRequest(0, new Uint8Array(0))).toMatchObject({ error: "UNKNOWN_COMMAND" });
    expect(parseRequest(65535, new Uint8Array(0))).toMatchObject({ error: "UNKNOWN_COMMAND" });
  });
});

describe("spoiled bytes", () => {
  const spoiled = fc
    .constantFrom(...payloadSchemas)
    .chain(({ schema }) => fitting(schema))
    .map((payload) => encodePayload(payload as object))
    .chain((bytes) => fc.tuple(fc.constant(bytes), fc.nat(bytes.length - 1), fc.nat(255)))
    .map(([bytes, at, value]) => bytes.with(at, value));

  test("are either refused or read as the reference decoder reads them", () => {
    const reference = new Decoder();
    let readable = 0;
    fc.assert(
      fc.property(spoiled, (bytes) => {
        const fault = prescan(bytes);
        if (fault !== undefined) {
          expect(fault).toMatch(/: ./);
          expect(() => decodePayload(bytes)).toThrow(fault);
          return;
        }
        readable += 1;
        expect(decodePayload(bytes)).toEqual(reference.decode(bytes));
      }),
      { numRuns: 1500 },
    );
    expect(readable).toBeGreaterThan(100);
  });
});

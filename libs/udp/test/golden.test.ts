/** The sample datagrams, which an implementation of RFC 8439 in Python wrote. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { type Direction, packetNumberOf, seal, ticketOf, unseal } from "../src/datagram";
import { PartsWriter, readParts } from "../src/parts";

interface Sample {
  name: string;
  direction: Direction;
  ticketId: string;
  key: string;
  number: number;
  parts: string;
  json: { kind: string }[];
  hex: string;
}

const file = path.join(__dirname, "../../../schemas/golden/datagrams.json");
const { samples } = JSON.parse(readFileSync(file, "utf8")) as { samples: Sample[] };
const bytes = (hex: string) => Buffer.from(hex, "hex");

test.each(samples.map((sample) => [sample.name, sample] as const))("%s", (_name, sample) => {
  const { direction, ticketId, key, number, parts, json, hex } = sample;
  expect(seal(direction, bytes(ticketId), bytes(key), number, bytes(parts)).toString("hex")).toBe(hex);
  const datagram = bytes(hex);
  expect([ticketOf(datagram), packetNumberOf(datagram)]).toEqual([ticketId, number]);
  expect(unseal(direction, bytes(key), datagram)?.toString("hex")).toBe(parts);
  expect(unseal(direction === 0 ? 1 : 0, bytes(key), datagram)).toBeUndefined();
  const read = readParts(bytes(parts)).map((part) =>
    Object.fromEntries(
      Object.entries(part).map(([name, value]) => [name, Buffer.isBuffer(value) ? value.toString("hex") : value]),
    ),
  );
  expect(read).toEqual(json);
});

test("a writer writes the parts that a reader reads", () => {
  const writer = new PartsWriter();
  writer.received(7, [{ from: 9, to: 2 ** 40 }]);
  writer.challenge(bytes("0001020304050607"));
  writer.echo(bytes("0706050403020100"));
  writer.data(2 ** 33, Buffer.from("abc"));
  writer.close(4_001);
  expect(readParts(writer.parts)).toEqual([
    { kind: "received", received: 7, ranges: [{ from: 9, to: 2 ** 40 }] },
    { kind: "challenge", token: bytes("0001020304050607") },
    { kind: "echo", token: bytes("0706050403020100") },
    { kind: "data", offset: 2 ** 33, bytes: Buffer.from("abc") },
    { kind: "close", code: 4_001 },
  ]);
});

test("parts that end too early are not read, and nothing behind them", () => {
  const writer = new PartsWriter();
  writer.close(1);
  writer.received(7, [{ from: 9, to: 12 }]);
  const { parts } = writer;
  for (let end = 3; end < parts.length; end++) {
    expect(readParts(parts.subarray(0, end))).toEqual([{ kind: "close", code: 1 }]);
  }
  // Too many ranges, whatever the length.
  const many = Buffer.alloc(1 + 6 + 1 + 9 * 12, 0);
  many[0] = 1;
  many[7] = 9;
  expect(readParts(many)).toEqual([]);
});

test.each([0, 16, 32, 1_201])("%d bytes are no datagram", (length) => {
  expect(ticketOf(Buffer.alloc(length))).toBeUndefined();
});

test("a packet number that nobody uses is none", () => {
  const [sample] = samples as [Sample];
  const datagram = bytes(sample.hex);
  datagram[8] = 1;
  expect(packetNumberOf(datagram)).toBeUndefined();
});

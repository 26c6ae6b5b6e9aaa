/**
 * Feeds the decoders that read what strangers send, in this process: frames, the JSON form, the header of the PROXY protocol, and the
 * parts of datagrams. A decoder may refuse an input; it may not throw, hang, or keep more memory than it was given.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { readProxyHeader } from "@carillon/base/node";
import { decodeFrames, decodeJsonFrame, FrameDecoder, parseRequest } from "@carillon/protocol";
import { Direction, seal, UdpEndpoint } from "@carillon/udp";
import { cutAnywhere, mutateBytes, mutateText } from "./mutate";
import { anyParts } from "./parts";
import { Random } from "./random";

/** An input that takes longer than this each time has found something that hangs, ms; the machine itself may stop for a moment. */
const MOST_MS = 50;
const TIMES = 5;

interface Decoder {
  name: string;
  /** Makes an input from the seed. */
  make(random: Random): Buffer;
  /** Decodes it. @throws Error that says what is wrong with the decoder */
  feed(input: Buffer, random: Random): void;
}

const golden = (file: string): Record<string, string>[] =>
  JSON.parse(readFileSync(path.join(__dirname, "../../schemas/golden", file), "utf8")).samples;
const bytesOf = (file: string) =>
  golden(file).flatMap(({ hex }) => (hex === undefined ? [] : [Buffer.from(hex, "hex")]));

/** The huge ones among the samples would only slow the run down. */
const MOST_SAMPLE_BYTES = 1_000;
const frameSamples = [...bytesOf("frames.json"), ...bytesOf("bad-frames.json")].filter(
  ({ length }) => length <= MOST_SAMPLE_BYTES,
);
const jsonSamples = golden("json-frames.json").map(({ text }) => text ?? "");
const proxySamples = [
  Buffer.from("PROXY TCP4 192.0.2.1 192.0.2.2 5000 7700\r\n"),
  Buffer.from("PROXY UNKNOWN\r\n"),
  Buffer.from("0d0a0d0a000d0a515549540a2111000cc0000201c000020213881e14", "hex"),
  Buffer.from(`0d0a0d0a000d0a515549540a21210024${"20010db8".padEnd(32, "0").repeat(2)}13881e14`, "hex"),
];

const DECODERS: Decoder[] = [
  {
    name: "frames",
    make: (random) => mutateBytes(random, random.pick(frameSamples)),
    feed: (input, random) => {
      const decoder = new FrameDecoder();
      const frames = cutAnywhere(random, input).flatMap((chunk) => decoder.push(chunk));
      if (decoder.heldBytes > input.length) throw new Error("more bytes are held than have come");
      for (const { command, payload } of [...frames, ...decodeFrames(input).frames]) parseRequest(command, payload);
    },
  },
  {
    name: "json",
    make: (random) => Buffer.from(mutateText(random, random.pick(jsonSamples))),
    feed: (input) => {
      const frame = decodeJsonFrame(input.toString());
      if (!("error" in frame)) parseRequest(frame.command, frame.payload);
    },
  },
  {
    name: "proxy",
    make: (random) => mutateBytes(random, random.pick(proxySamples)),
    feed: (input) => {
      const header = readProxyHeader(input);
      if (typeof header === "object" && header.bytes > input.length)
        throw new Error("a header is longer than its bytes");
    },
  },
  { name: "datagrams", make: anyParts, feed: feedEndpoint },
];

/** One endpoint for many inputs, as a stranger with a ticket has it. */
let endpoint: { end: UdpEndpoint; fed: number } | undefined;
const ticket = { ticketId: Buffer.alloc(8, 1), key: Buffer.alloc(32, 2) };
const INPUTS_OF_ONE = 500;

function feedEndpoint(parts: Buffer): void {
  if (endpoint === undefined || endpoint.fed === INPUTS_OF_ONE) {
    const owner = { budget: Number.POSITIVE_INFINITY, transmit: () => {}, setTimer: () => {}, now: () => 1 };
    const events = { onGenuine: () => true, onBytes: () => {}, onEcho: () => {}, onClose: () => {} };
    endpoint = { end: new UdpEndpoint("gateway", ticket, owner, events), fed: 0 };
  }
  const { end } = endpoint;
  const arrival = end.receive(
    seal(Direction.TO_GATEWAY, ticket.ticketId, ticket.key, endpoint.fed++, parts.subarray(0, 1_168)),
  );
  if (arrival !== "genuine" && parts.length > 0) throw new Error(`a genuine datagram is ${arrival}`);
  end.settle();
  if (end.waitingBytes > 0) throw new Error("the endpoint wants to send what nobody wrote");
}

export interface DecoderReport {
  inputs: number;
  seconds: number;
  byDecoder: Record<string, number>;
  slowestMs: number;
}

/** An input for which a decoder is wrong; written into the corpus, it becomes a test. */
export class DecoderFault extends Error {
  constructor(
    readonly decoder: string,
    readonly input: Buffer,
    why: string,
  ) {
    super(`${decoder}: ${why}: ${input.toString("hex")}`);
  }
}

/** Feeds one input, again if it took long. @returns the shortest time, ms @throws DecoderFault */
export function feedOne(name: string, input: Buffer, random: Random): number {
  const decoder = DECODERS.find((each) => each.name === name)!;
  let shortest = Number.POSITIVE_INFINITY;
  for (let time = 0; time < TIMES && shortest > MOST_MS; time++) {
    const begun = performance.now();
    try {
      decoder.feed(input, random);
    } catch (error) {
      throw new DecoderFault(name, input, (error as Error).message);
    }
    shortest = Math.min(shortest, performance.now() - begun);
  }
  if (shortest > MOST_MS) throw new DecoderFault(name, input, `it took ${shortest.toFixed(0)} ms`);
  return shortest;
}

/** @param onProgress called now and then with the number of inputs so far @throws DecoderFault */
export function fuzzDecoders(seed: number, count: number, onProgress?: (inputs: number) => void): DecoderReport {
  const random = new Random(seed);
  const begun = performance.now();
  const byDecoder: Record<string, number> = {};
  let slowestMs = 0;
  for (let inputs = 0; inputs < count; inputs++) {
    const { name, make } = DECODERS[inputs % DECODERS.length]!;
    slowestMs = Math.max(slowestMs, feedOne(name, make(random), random));
    byDecoder[name] = (byDecoder[name] ?? 0) + 1;
    if (inputs % 1_000_000 === 999_999) onProgress?.(inputs + 1);
  }
  return { inputs: count, seconds: (performance.now() - begun) / 1_000, byDecoder, slowestMs };
}

/** The inputs that were found once: lines of `decoder hex`, and lines that begin with #. */
export function corpus(): { decoder: string; input: Buffer }[] {
  const text = readFileSync(path.join(__dirname, "corpus/decoders.txt"), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [decoder, hex = ""] = line.split(" ") as [string, string?];
      return { decoder, input: Buffer.from(hex, "hex") };
    });
}

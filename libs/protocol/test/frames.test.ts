import fc from "fast-check";
import { decodeFrames, encodeFrame, type Frame, FrameDecoder, limits } from "../src/index";
import { fromHex, type GoldenFrame, golden, toHex } from "./golden";

const samples = golden<GoldenFrame>("frames.json").map((row) => fromHex(row.hex));
const wholeStream = Uint8Array.from(samples.flatMap((bytes) => [...bytes]));
const expected = samples.map((bytes) => decodeFrames(bytes).frames[0] as Frame);
const expectedPrint = print(expected);

/** Turns frames into one string: strings compare fast enough to try every cut. */
function print(frames: readonly Frame[]): string {
  return frames.map(({ command, requestId, payload }) => `${command} ${requestId} ${toHex(payload)}`).join("\n");
}

/** Feeds `stream` in pieces that end at `cuts`. */
function feed(decoder: FrameDecoder, stream: Uint8Array, cuts: readonly number[]): Frame[] {
  const ends = [...cuts, stream.length].sort((a, b) => a - b);
  let from = 0;
  return ends.flatMap((end) => {
    const frames = decoder.push(stream.slice(from, end));
    from = end;
    return frames;
  });
}

describe("FrameDecoder", () => {
  test("reads a stream byte by byte", () => {
    const decoder = new FrameDecoder();
    const frames: Frame[] = [];
    for (const byte of wholeStream) frames.push(...decoder.push(Uint8Array.of(byte)));
    expect(frames).toEqual(expected);
    expect(decoder.fault).toBeUndefined();
    expect(decoder.heldBytes).toBe(0);
  });

  test("reads a stream cut at one place, for every place", () => {
    for (let cut = 0; cut <= wholeStream.length; cut++) {
      if (print(feed(new FrameDecoder(), wholeStream, [cut])) !== expectedPrint) throw new Error(`cut at ${cut}`);
    }
  });

  test("reads a stream cut anywhere", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(wholeStream.length), { maxLength: 40 }), (cuts) => {
        expect(print(feed(new FrameDecoder(), wholeStream, cuts))).toBe(expectedPrint);
      }),
    );
  });

  test("reads the largest frame in pieces and refuses one byte more", () => {
    const largest = encodeFrame(10, 1, new Uint8Array(limits.maxPayloadBytes).fill(7));
    const frames = feed(new FrameDecoder(), largest, [1, 11, 12, 13, 5000, 65000]);
    expect(frames).toHaveLength(1);
    expect(frames[0]?.payload).toHaveLength(limits.maxPayloadBytes);
    expect(() => encodeFrame(10, 1, new Uint8Array(limits.maxPayloadBytes + 1))).toThrow(RangeError);
  });

  test("gives views of the chunk, not copies, of frames that lie whole in it", () => {
    const frames = new FrameDecoder().push(wholeStream);
    expect(frames.every((frame) => frame.payload.buffer === wholeStream.buffer)).toBe(true);
  });

  test("frames completed later do not share memory with one another", () => {
    const decoder = new FrameDecoder();
    const first = feed(decoder, encodeFrame(10, 1, Uint8Array.of(1, 2, 3)), [13]);
    const second = feed(decoder, encodeFrame(10, 2, Uint8Array.of(4, 5, 6)), [13]);
    expect([...(first[0]?.payload ?? [])]).toEqual([1, 2, 3]);
    expect([...(second[0]?.payload ?? [])]).toEqual([4, 5, 6]);
  });

  test("does not hold the chunk of which a piece remains", () => {
    const decoder = new FrameDecoder();
    const chunk = new Uint8Array(60_000);
    chunk.set(encodeFrame(10, 1, new Uint8Array(59_900 - 12)));
    chunk.set(encodeFrame(10, 2, new Uint8Array(500)).subarray(0, 100), 59_900);
    expect(decoder.push(chunk)).toHaveLength(1);
    expect(decoder.heldBytes).toBe(100);
    expect(decoder.storeBytes).toBeLessThan(1000);
  });

  test("allocates for what has arrived, not for what is declared", () => {
    const declared = encodeFrame(10, 1, new Uint8Array(limits.maxPayloadBytes));
    const decoder = new FrameDecoder();
    for (const size of [4, 12, 100, 1000, 9000]) {
      decoder.push(declared.slice(decoder.heldBytes, size));
      expect(decoder.heldBytes).toBe(size);
      expect(decoder.storeBytes).toBeLessThanOrEqual(Math.max(256, 2 * size));
    }
  });

  test("never stores more than one frame, however it is fed", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 60 }), (sizes) => {
        const decoder = new FrameDecoder();
        const stream = encodeFrame(10, 1, new Uint8Array(limits.maxPayloadBytes));
        let at = 0;
        for (const size of sizes) {
          const chunk = new Uint8Array(size).map((_, index) => stream[(at + index) % stream.length] as number);
          decoder.push(chunk);
          at += size;
          expect(decoder.storeBytes).toBeLessThanOrEqual(limits.maxFrameBytes);
        }
      }),
      { numRuns: 20 },
    );
  });

  interface BadFrame {
    name: string;
    hex: string;
    framesBefore: number;
    error: string;
  }

  test.each(golden<BadFrame>("bad-frames.json").map((row) => [row.name, row] as const))(
    "%s: refused wherever the stream is cut, and dead afterwards",
    (_name, row) => {
      const bytes = fromHex(row.hex);
      for (let cut = 0; cut <= bytes.length; cut++) {
        const decoder = new FrameDecoder();
        expect(feed(decoder, bytes, [cut])).toHaveLength(row.framesBefore);
        expect(decoder.fault?.error).toBe(row.error);
        expect(decoder.push(samples[0] as Uint8Array)).toEqual([]);
        expect(decoder.storeBytes).toBe(0);
      }
    },
  );

  test("checks a length as soon as its four bytes are there", () => {
    for (const [length, error] of [
      [7, "BAD_FRAME"],
      [65_545, "FRAME_TOO_LARGE"],
    ] as const) {
      const decoder = new FrameDecoder();
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, length);
      decoder.push(bytes);
      expect(decoder.fault).toMatchObject({ error, requestId: 0 });
    }
  });

  test("any bytes give frames or a fault, never an exception", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), (chunks) => {
        const decoder = new FrameDecoder();
        for (const chunk of chunks)
          for (const frame of decoder.push(chunk)) expect(frame.payload.length).toBeLessThanOrEqual(65_536);
      }),
    );
  });
});

describe("decodeFrames", () => {
  test("reads several frames of one message", () => {
    expect(decodeFrames(wholeStream)).toEqual({ frames: expected, fault: undefined });
  });

  test("refuses an empty message and one that ends inside a frame, with the requestId where it is readable", () => {
    const frame = encodeFrame(10, 77, Uint8Array.of(1, 2, 3));
    expect(decodeFrames(new Uint8Array(0)).fault).toMatchObject({ error: "BAD_FRAME", requestId: 0 });
    expect(decodeFrames(frame.subarray(0, 11)).fault).toMatchObject({ error: "BAD_FRAME", requestId: 0 });
    expect(decodeFrames(frame.subarray(0, 14)).fault).toMatchObject({ error: "BAD_FRAME", requestId: 77 });
  });

  test("refuses a message above 131,072 bytes", () => {
    expect(decodeFrames(new Uint8Array(131_073)).fault).toMatchObject({ error: "FRAME_TOO_LARGE" });
  });
});

describe("encodeFrame", () => {
  test("refuses numbers that do not fit their fields", () => {
    expect(() => encodeFrame(65_536, 0)).toThrow(RangeError);
    expect(() => encodeFrame(10, -1)).toThrow(RangeError);
    expect(() => encodeFrame(10, 4_294_967_296)).toThrow(RangeError);
    expect(() => encodeFrame(10, 1.5)).toThrow(RangeError);
  });

  test("results do not share memory", () => {
    const first = encodeFrame(10, 1, { a: "first" });
    const copy = first.slice();
    encodeFrame(10, 2, { a: "other" });
    expect(first).toEqual(copy);
  });
});
